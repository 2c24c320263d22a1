"""The real command installs the real files from the package index; counts are tiktoken's own."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import tiktoken
from typer.testing import CliRunner

from exporter.cli import app
from exporter.errors import ConfigurationError
from exporter.genai.estimate import Estimator
from exporter.genai.tokenizers import Method, Tokenizers, by_characters, catalogue, read
from tests.unit.pipeline import chat, normalise

# Not in a process of its own: a command that fails raises what `main` shows as one line.
RUN = CliRunner()
ENCODINGS = sorted(catalogue().encodings)

TEXTS = {
    "English": "The quick brown fox jumps over the lazy dog's 1,234,567 friends. " * 40,
    "code": "def f(x: int) -> str:\n    return f'{x:>8}'  # TODO\n\n\n" * 40,
    "Chinese": "敏捷的棕色狐狸跳过了懒狗。" * 40,
    "Arabic": "الثعلب البني السريع يقفز فوق الكلب الكسول. " * 20,
    "emoji": "👩‍👩‍👧 done 👍🏽!! " * 40,
    "blanks": " \t\n\r\n   \n" * 100 + " " * 1000 + "x",
    "special": "<|endoftext|><|im_start|>user<|endofprompt|>",
    "half a character": "a\ud800b",
    "nothing": "",
}


def environment(directory: Path) -> dict[str, str]:
    return {"LLM_OBSERVATORY_TOKENIZERS_DIR": str(directory)}


def run(directory: Path, *arguments: str) -> str:
    done = RUN.invoke(app, ["tokenizers", *arguments], env=environment(directory))
    if isinstance(done.exception, ConfigurationError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that `tokenizers install` has filled."""
    directory = tmp_path_factory.mktemp("installed") / "files"
    output = run(directory, "install")
    assert output.count("verified and installed") == 2
    return directory


@pytest.fixture
def tokenizers(directory: Path) -> Tokenizers:
    return read(directory)


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a socket was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.fixture
def _tiktoken_cache(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tiktoken's own loader find the files: the layout is that of its cache."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(directory))
    tiktoken.registry.ENCODINGS.clear()
    yield
    tiktoken.registry.ENCODINGS.clear()


@pytest.mark.usefixtures("_offline", "_tiktoken_cache")
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_counts_are_tiktokens_own_without_a_network(
    tokenizers: Tokenizers, encoding: str, text: str
) -> None:
    expected = len(tiktoken.get_encoding(encoding).encode(text, disallowed_special=()))
    assert tokenizers.counter(encoding)([text]) == expected
    assert tokenizers.counter(encoding)([text, text]) == 2 * expected


@pytest.mark.usefixtures("_offline", "_tiktoken_cache")
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "gpt-3.5-turbo", "o3-mini", "gpt-5"])
def test_a_call_of_openai_has_tiktokens_count(tokenizers: Tokenizers, model: str) -> None:
    estimate = Estimator(tokenizers, span_max_chars=50_000, batch_max_chars=1_000_000)
    text = TEXTS["code"] + TEXTS["Chinese"]
    call = {"gen_ai.request.model": model, "gen_ai.input.messages": text}
    done = estimate(normalise(chat(call | {"gen_ai.output.messages": text})))
    expected = len(tiktoken.encoding_for_model(model).encode(text))
    assert done["TokensInput"].to_pylist() == [expected + 3 + 3]
    assert done["TokensOutput"].to_pylist() == [expected]
    assert estimate.estimated == {Method.TIKTOKEN: 1, Method.CHARACTERS: 0}


# What costs a tokenizer the most, at the most characters that a setting allows.
WORST = {
    "one letter": "a",
    "spaces": " ",
    "lines": "\n",
    "marks": "!",
    "Chinese": "漢",
    "accents": "a\u0301",
    "blanks": " \n\t",
    "case": "aA",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("piece", WORST.values(), ids=WORST)
def test_the_longest_text_is_within_what_tiktoken_can_count(
    tokenizers: Tokenizers, encoding: str, piece: str
) -> None:
    text = (piece * 100_000)[:100_000]
    assert tokenizers.counter(encoding)([text]) != by_characters([text])


def test_a_text_that_tiktoken_panics_at_is_counted_by_characters(
    tokenizers: Tokenizers, capfd: pytest.CaptureFixture[str]
) -> None:
    text = " " * 1_000_000
    assert tokenizers.counter("o200k_base")([text]) == by_characters([text])
    assert "StackOverflow" in capfd.readouterr().err


# The command ------------------------------------------------------------------------------------


def test_status_says_what_is_there(directory: Path) -> None:
    output = run(directory, "status")
    assert output.count("verified, tiktoken counts") == 2
    assert "tokenizers install" not in output


def test_status_says_what_is_absent(tmp_path: Path) -> None:
    output = run(tmp_path, "status")
    assert output.count("absent, characters are counted") == 2
    assert "`llm-observatory tokenizers install` gets what is absent." in output


def test_status_says_that_estimates_are_off(tmp_path: Path) -> None:
    environ = environment(tmp_path) | {"LLM_OBSERVATORY_ESTIMATE_TOKENS": "false"}
    done = RUN.invoke(app, ["tokenizers", "status"], env=environ)
    assert "Estimates are switched off" in done.output


def test_a_wheel_that_is_there_already_needs_no_index(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "some.whl"
    with ZipFile(wheel, "w") as archive:
        for file in directory.iterdir():
            archive.write(file, f"package/{file.name}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    other = tmp_path / "other"
    run(other, "install", "--from-wheel", str(wheel))
    assert {f.name: f.read_bytes() for f in other.iterdir()} == {
        f.name: f.read_bytes() for f in directory.iterdir()
    }


def test_a_damaged_file_is_named_and_install_mends_it(directory: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "some.whl"
    with ZipFile(wheel, "w") as archive:
        for file in directory.iterdir():
            archive.write(file, file.name)
    other = tmp_path / "other"
    run(other, "install", "--from-wheel", str(wheel))
    damaged = other / catalogue().encodings["cl100k_base"].file_name
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match=f"{damaged}: not the file of cl100k_base"):
        run(other, "status")
    run(other, "install", "--from-wheel", str(wheel))
    assert run(other, "status").count("verified") == 2


def test_without_an_index_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConfigurationError, match=r"pip could not get .*; .* use --from-wheel"):
        run(tmp_path / "files", "install")
    assert not (tmp_path / "files").exists()


def test_a_wrong_wheel_is_one_line_not_a_traceback() -> None:
    command = [sys.executable, "-m", "exporter", "tokenizers", "install", "--from-wheel", __file__]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, done.stderr) == (2, f"{__file__}: not a wheel\n")
