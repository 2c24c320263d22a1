"""Named functions from a value as sent to the value that is kept; applied to distinct values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml


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


def provider(value: str) -> str | None:
    """Return OpenTelemetry's name of a provider; a name that nobody knows stays, in lower case.

    A suffix for the API (`openai.chat`, `anthropic.messages`) is dropped.
    """
    name = value.strip().lower().replace(" ", "_")
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


TRANSFORMS: dict[str, Callable[[str], str | None]] = {
    "provider": provider,
    "first_item": first_item,
}
