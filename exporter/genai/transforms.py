"""Named functions from a value as sent to the value that is kept; applied to distinct values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from exporter.genai.json_text import read_json, scalar_text


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: OpenTelemetry's name, and its id in the price list."""

    name: str
    prices: str


@cache
def providers() -> dict[str, Provider]:
    """Return every known name of a provider, in lower case, with the provider."""
    file = resources.files("exporter.genai") / "providers.yaml"
    raw: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    known: dict[str, Provider] = {}
    for name, entry in raw.items():
        provider = Provider(name, entry.get("prices", name))
        for alias in (name, *entry["aliases"]):
            known[alias] = provider
    return known


# Names of frameworks that stand where a provider's name should: who answers is not known then.
_FRAMEWORKS = frozenset({"strands-agents", "langchain", "llamaindex", "llama_index", "crewai"})


def provider(value: str) -> str | None:
    """Return OpenTelemetry's name of a provider; a name that nobody knows stays, in lower case.

    A suffix for the API (`openai.chat`, `anthropic.messages`) is dropped.
    """
    name = value.strip().lower().replace(" ", "_")
    if name in _FRAMEWORKS:
        return None
    known = providers()
    if name in known:
        return known[name].name
    family = name.partition(".")[0]
    return known[family].name if family in known else name or None


def first_item(value: str) -> str | None:
    """Return the first item of a JSON list of text, or the text when it is not a list."""
    if not value.startswith("["):
        return value or None
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        return value
    if not items or items[0] is None:
        return None
    # JSON can hold half a surrogate pair, UTF-8 cannot.
    return str(items[0]).encode(errors="replace").decode()


def json_text(value: str) -> str | None:
    """Return the text of a JSON string, or the text when it is none: MLflow quotes every value."""
    if not value.startswith('"'):
        return value or None
    inner = scalar_text(read_json(value))
    return value if inner is None else inner or None


# Terminal codes (ESC [ 1 m), and the same without ESC as Claude Code marks a long context.
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\[[0-9;]+m\]?$", re.IGNORECASE)


def model(value: str) -> str | None:
    """Return a model's name without terminal codes and the marker of a long context."""
    return _TERMINAL_CODES.sub("", value).strip() or None


def after_slash(value: str) -> str | None:
    """Return a model's name without the plugin or provider in front of it (`openai/gpt-5`)."""
    return value.partition("/")[2] or value or None


def provider_before_slash(value: str) -> str | None:
    """Return the provider in front of a model's name; None where there is none."""
    before, slash, _ = value.partition("/")
    return provider(before) if slash else None


TransformName = Literal[
    "answer_id",
    "provider",
    "provider_before_slash",
    "first_item",
    "json_text",
    "model",
    "after_slash",
]
# Where a provider's answer is kept as it came, its id stands in it; the other ids in there are
# those of tools, messages and classes.
_ANSWER_ID = re.compile(r'"id"\s*:\s*"((?:chatcmpl|cmpl|resp|msg|gen)[-_][\w-]{6,64})"')
_ANSWER_CHARS_MAX = 65_536


def answer_id(value: str) -> str | None:
    """Return the id of a provider's answer out of its JSON text."""
    found = _ANSWER_ID.search(value[:_ANSWER_CHARS_MAX])
    return found[1] if found else None


TRANSFORMS: dict[TransformName, Callable[[str], str | None]] = {
    "provider": provider,
    "provider_before_slash": provider_before_slash,
    "answer_id": answer_id,
    "first_item": first_item,
    "json_text": json_text,
    "model": model,
    "after_slash": after_slash,
}


# Text with a number, a duration or a point in time ----------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|ms|us|µs|μs|ns)")
_NS_PER_SUFFIX = {"s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "μs": 10**3, "ns": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHARS_MAX = 64


def number(value: str) -> float | None:
    """Return text that is a finite decimal number as a float."""
    text = value.strip()
    if len(text) > _CHARS_MAX or not _NUMBER.fullmatch(text):
        return None
    return float(text)


def duration_ns(value: str) -> float | None:
    """Return nanoseconds of text such as `15.3ms`, as Rust writes a Duration."""
    found = _DURATION.fullmatch(value.strip()) if len(value) <= _CHARS_MAX else None
    return None if found is None else float(found[1]) * _NS_PER_SUFFIX[found[2]]


def time_ns(value: str) -> int | None:
    """Return nanoseconds since the epoch of an ISO 8601 time, which may stand in quotes.

    A time without a zone is in UTC.
    """
    if len(value) > _CHARS_MAX:
        return None
    try:
        moment = datetime.fromisoformat(value.strip().strip('"'))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = (aware - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        return None
    return since if 0 <= since < 2**63 else None
