"""Count tokens with local encoding files, or by characters where there are none.

tiktoken would fetch its files when they are missing. Here its encodings are made from bytes that
were read from a directory and verified, so nothing ever goes to the network; the directory has
the layout of tiktoken's own cache.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache, partial
from hashlib import sha1, sha256
from importlib import resources
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import Any
from zipfile import BadZipFile, ZipFile

import yaml
from tiktoken import Encoding

from exporter.errors import ConfigurationError

Counter = Callable[[Sequence[str]], int]
"""Returns the tokens of texts that are counted one by one."""

# The larger file has 3.6 MB; a wheel that claims more under its name is none of ours.
_FILE_MAX_BYTES = 16 * 1024 * 1024

# What zipfile raises for an archive that is damaged, encrypted or packed in a way it cannot read.
_UNREADABLE = (BadZipFile, EOFError, RuntimeError, zlib.error)

# Han, kana, Hangul and full-width forms: written without spaces, about a token a character.
_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\U00020000-\U0003ffff]+"
)


class Method(StrEnum):
    """How a text is counted."""

    TIKTOKEN = "tiktoken"
    CHARACTERS = "characters"


@dataclass(frozen=True, slots=True)
class EncodingFile:
    """The file of ranks of one encoding."""

    name: str
    file_name: str
    sha256: str
    pattern: str

    def verify(self, content: bytes, where: str) -> None:
        """Raise ConfigurationError when these are not the bytes that are expected."""
        found = sha256(content).hexdigest()
        if found != self.sha256:
            raise ConfigurationError(
                f"{where}: not the file of {self.name}: its SHA-256 is {found}, "
                f"expected {self.sha256}"
            )


@dataclass(frozen=True, slots=True)
class Family:
    """Models whose tokens are counted alike."""

    name: str
    encoding: str
    factor: Fraction
    """Tokens of the family for each token of the encoding."""
    models: tuple[re.Pattern[str], ...]
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The content of tokenizers.yaml."""

    requirement: str
    """The wheel that carries the files, as pip names it."""
    encodings: Mapping[str, EncodingFile]
    families: tuple[Family, ...]
    per_message: int
    per_reply: int

    def family(self, provider: str | None, model: str | None) -> Family:
        """Return the family of a model, by its name if that says something."""
        name = (model or "").lower().rpartition("/")[2]
        for family in self.families:
            if any(pattern.search(name) for pattern in family.models):
                return family
        by_provider = (family for family in self.families if provider in family.providers)
        return next(by_provider, self.families[-1])


@cache
def catalogue() -> Catalogue:
    """Return the encodings and families that come with the program."""
    file = resources.files("exporter.genai") / "tokenizers.yaml"
    raw: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    encodings = {
        name: EncodingFile(
            name,
            # tiktoken's own name for it, no protection of anything.
            sha1(entry["url"].encode(), usedforsecurity=False).hexdigest(),
            entry["sha256"],
            "|".join(entry["pattern"]),
        )
        for name, entry in raw["encodings"].items()
    }
    families = tuple(
        Family(
            entry["name"],
            entry["encoding"],
            Fraction(str(entry["factor"])),
            tuple(re.compile(pattern) for pattern in entry.get("models", ())),
            tuple(entry.get("providers", ())),
        )
        for entry in raw["families"]
    )
    requirement = f"{raw['wheel']['package']}=={raw['wheel']['version']}"
    return Catalogue(requirement, encodings, families, **raw["chat"])


class Tokenizers:
    """The encodings that are at hand; an encoding is built when it is first counted with."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        """Take verified contents of encoding files, by the name of the encoding."""
        self._contents = dict(contents)
        self._counters: dict[str, Counter] = {}
        self.methods = {
            name: Method.TIKTOKEN if name in contents else Method.CHARACTERS
            for name in catalogue().encodings
        }
        """How the texts of each encoding are counted."""

    def counter(self, encoding: str) -> Counter:
        """Return what counts texts in an encoding."""
        if encoding not in self._counters:
            content = self._contents.pop(encoding, None)
            self._counters[encoding] = (
                by_characters
                if content is None
                else partial(_by_tiktoken, build(catalogue().encodings[encoding], content))
            )
        return self._counters[encoding]


def read(directory: Path) -> Tokenizers:
    """Return the encodings whose files are in a directory, which need not exist.

    Raise ConfigurationError when a file is there but is not the one that is expected.
    """
    contents: dict[str, bytes] = {}
    for name, file in catalogue().encodings.items():
        path = directory / file.file_name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}") from error
        try:
            file.verify(content, str(path))
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{error}; `llm-observatory tokenizers install` replaces it"
            ) from None
        contents[name] = content
    return Tokenizers(contents)


def install(wheel: bytes, directory: Path, *, where: str) -> list[Path]:
    """Write the encoding files that a wheel carries into a directory; return their paths.

    `where` names the wheel in errors. Raise ConfigurationError, and write nothing, unless every
    file is there and is the one that is expected.
    """
    found: dict[str, bytes] = {}
    try:
        with ZipFile(BytesIO(wheel)) as archive:
            by_name = {PurePosixPath(member.filename).name: member for member in archive.infolist()}
            for file in catalogue().encodings.values():
                member = by_name.get(file.file_name)
                if member is None or member.file_size > _FILE_MAX_BYTES:
                    raise ConfigurationError(f"{where}: holds no {file.name} ({file.file_name})")
                found[file.file_name] = archive.read(member)
                file.verify(found[file.file_name], f"{where}: {member.filename}")
    except _UNREADABLE as error:
        raise ConfigurationError(f"{where}: not a wheel") from error
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return [_replace(directory / name, content) for name, content in found.items()]
    except OSError as error:
        raise ConfigurationError(f"{directory}: {error.strerror}") from error


def _replace(path: Path, content: bytes) -> Path:
    """Write a file so that nobody ever reads half of it."""
    with NamedTemporaryFile(dir=path.parent, delete=False) as half:
        try:
            half.write(content)
            half.close()
            # A temporary file is for its owner alone; the service may be somebody else.
            Path(half.name).chmod(0o644)
            return Path(half.name).replace(path)
        except OSError:
            Path(half.name).unlink(missing_ok=True)
            raise


def build(file: EncodingFile, content: bytes) -> Encoding:
    """Return tiktoken's encoding from the verified content of its file."""
    pairs = (line.split() for line in content.splitlines() if line)
    ranks = {b64decode(token): int(rank) for token, rank in pairs}
    # Special tokens stay out: a prompt that spells one is text.
    return Encoding(file.name, pat_str=file.pattern, mergeable_ranks=ranks, special_tokens={})


def _by_tiktoken(encoding: Encoding, texts: Sequence[str]) -> int:
    try:
        return sum(len(encoding.encode_ordinary(text)) for text in texts)
    except BaseException as error:
        # Its regular expressions run out of stack on a very long run of spaces, and a panic of
        # Rust code is no Exception: it would end the thread.
        if type(error).__name__ != "PanicException":
            raise
        return by_characters(texts)


def by_characters(texts: Sequence[str]) -> int:
    """Return a quarter of the characters, rounded up; a CJK character counts as 0.6 tokens."""
    characters = sum(len(text) for text in texts)
    cjk = sum(_cjk(text) for text in texts)
    return -(-(5 * (characters - cjk) + 12 * cjk) // 20)


def _cjk(text: str) -> int:
    return 0 if text.isascii() else sum(len(run) for run in _CJK.findall(text))
