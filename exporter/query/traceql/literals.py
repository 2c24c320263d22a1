"""Values that a query says, and how numbers and durations are read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from exporter.spans.condition import Value

_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_SMALL = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}
_UNITS = {**_SMALL, "m": 60 * 10**9, "h": 3600 * 10**9}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of the query; `kind` is text, number, duration, bool, nil or keyword."""

    value: Value
    kind: str
    position: int


def nanoseconds(text: str) -> int:
    """Return a duration such as -1h2.5s."""
    total = 0.0
    exact = 0
    for amount, unit in _PART.findall(text):
        if "." in amount:
            total += float(amount) * _UNITS[unit]
        else:
            exact += int(amount) * _UNITS[unit]
    sign = -1 if text.startswith("-") else 1
    return sign * (exact + round(total))


def number(text: str) -> float:
    """Return a number: a whole one exactly."""
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else float(text)
