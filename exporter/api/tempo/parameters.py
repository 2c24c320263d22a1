"""What is asked in the URL, read as Tempo reads it; what cannot be read is a WrongQueryError."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from exporter.errors import WrongQueryError
from exporter.query.search import Search, SeriesSearch, ValuesSearch
from exporter.query.traceql.ast import Filter, Named, Query
from exporter.query.traceql.fields import attribute, intrinsic
from exporter.query.traceql.literals import nanoseconds
from exporter.query.traceql.parse import is_query, parse
from exporter.spans.condition import (
    EVERY_SPAN,
    AllOf,
    AttributeField,
    Compare,
    Comparison,
    Condition,
    Scope,
    TraceField,
)
from exporter.spans.schema import NANOSECONDS

TRACES = 20
"""Traces that a search finds if it does not say how many, as in Tempo."""
TRACES_MAX = 1_000
SPANS = 3
"""Spans shown of each, the same."""
SPANS_MAX = 1_000
STEPS_MAX = 11_000
"""Points of a series, as in Prometheus."""
VALUES_MAX = 5_000
LOOK_BACK_NS = 24 * 3600 * NANOSECONDS
"""How far back is looked if the question does not say from when."""
_STEPS = 100
_EXEMPLARS_MAX = 1_000
_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}")
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+")
# Unix times are seconds; what is larger than any is nanoseconds.
_SECONDS_MAX = 10**12

Read = TypeVar("Read")
Asked = Mapping[str, str]
"""The parameters of a URL by their names."""


@dataclass(frozen=True, slots=True)
class Time:
    """From and until when, nanoseconds; the end is after it."""

    start_ns: int
    end_ns: int


def trace_id(text: str) -> str:
    """Return a trace id in its full length; raise WrongQueryError."""
    if not _TRACE_ID.fullmatch(text):
        raise WrongQueryError("a trace id is up to 32 hex digits")
    return text.lower().zfill(32)


def time_of(asked: Asked, now_ns: int) -> Time:
    """Return the time in question, by default the last day up to now."""
    end_ns = _time(asked, "end", now_ns)
    if "since" in asked and "start" not in asked:
        start_ns = end_ns - _duration(asked["since"], "since")
    else:
        start_ns = _time(asked, "start", end_ns - LOOK_BACK_NS)
    if end_ns <= start_ns:
        raise WrongQueryError("start has to be before end")
    return Time(max(start_ns, 0), end_ns)


def search_of(asked: Asked, now_ns: int) -> Search:
    """Return a search: by TraceQL, or by the older `tags`, `minDuration` and `maxDuration`."""
    time = time_of(asked, now_ns)
    text = asked.get("q", "")
    query = parse(text) if text.strip() else Query(_older(asked))
    if query.metrics is not None:
        raise WrongQueryError("metrics are asked of /api/metrics/query_range, not of search")
    return Search(
        query=query,
        start_ns=time.start_ns,
        end_ns=time.end_ns,
        traces=_number(asked, "limit", TRACES, TRACES_MAX),
        spans=_number(asked, "spss", SPANS, SPANS_MAX),
    )


def series_of(asked: Asked, now_ns: int, *, instant: bool) -> SeriesSearch:
    """Return what a metrics query asks."""
    time = time_of(asked, now_ns)
    text = asked.get("q") or asked.get("query") or ""
    if not text.strip():
        raise WrongQueryError("q is missing: write a query such as { } | rate()")
    step_ns = None if instant else _step(asked, time)
    start_ns, end_ns = time.start_ns, time.end_ns
    if step_ns is not None:
        # Steps of one length are the same steps at every refresh; one step is the time asked for.
        start_ns -= start_ns % step_ns if step_ns < end_ns - start_ns else 0
        if (end_ns - start_ns) / step_ns > STEPS_MAX:
            raise WrongQueryError(f"more than {STEPS_MAX} steps: ask for longer ones")
    return SeriesSearch(
        query=parse(text),
        start_ns=start_ns,
        end_ns=end_ns,
        step_ns=step_ns,
        exemplars=0 if instant else _number(asked, "exemplars", 0, _EXEMPLARS_MAX),
    )


def values_of(tag: str, asked: Asked, now_ns: int) -> ValuesSearch:
    """Return what values are asked for; a query that is not finished narrows nothing."""
    time = time_of(asked, now_ns)
    text = asked.get("q", "")
    return ValuesSearch(
        field=_field(tag),
        query=parse(text) if is_query(text) else parse("{}"),
        start_ns=time.start_ns,
        end_ns=time.end_ns,
        limit=_number(asked, "limit", VALUES_MAX, VALUES_MAX),
    )


def scope_of(asked: Asked) -> str:
    """Return the scope that tags are asked of, empty: of all."""
    scope = asked.get("scope", "")
    if scope in {"none", "all"}:
        return ""
    if scope not in {"", "intrinsic", *Scope}:
        known = ", ".join(["intrinsic", *filter(None, Scope)])
        raise WrongQueryError(f"unknown scope {scope}; known are {known}")
    return scope


def _field(tag: str) -> Named:
    if found := intrinsic(tag):
        return found
    before, dot, _ = tag.partition(".")
    if dot and before in set(Scope):
        return attribute(tag)
    # The older API knows no scopes.
    return Named(tag, AttributeField(Scope.ANY, tag))


def _older(asked: Asked) -> Filter:
    try:
        pairs = [pair.partition("=") for pair in shlex.split(asked.get("tags", ""))]
    except ValueError as error:
        raise WrongQueryError(f"tags: {error}") from None
    conditions: list[Condition] = [
        Compare(_field(key).field, Comparison.EQUAL, value) for key, _, value in pairs
    ]
    for name, comparison in (
        ("minDuration", Comparison.GREATER_OR_EQUAL),
        ("maxDuration", Comparison.LESS_OR_EQUAL),
    ):
        if text := asked.get(name):
            duration = _duration(text, name)
            conditions.append(Compare(TraceField.DURATION, comparison, duration))
    return Filter(AllOf(tuple(conditions)) if conditions else EVERY_SPAN)


def _step(asked: Asked, time: Time) -> int:
    text = asked.get("step", "")
    if not text:
        return max(NANOSECONDS, (time.end_ns - time.start_ns) // _STEPS)
    step_ns = _read(lambda: round(float(text) * NANOSECONDS)) or _duration(text, "step")
    if step_ns <= 0:
        raise WrongQueryError("step has to be more than nothing")
    return step_ns


def _duration(text: str, name: str) -> int:
    if not _DURATION.fullmatch(text):
        raise WrongQueryError(f"{name}: write a duration such as 30s or 1.5m")
    return nanoseconds(text)


def _time(asked: Asked, name: str, default: int) -> int:
    text = asked.get(name, "")
    if text in {"", "0"}:
        return default
    number = _read(lambda: float(text))
    if number is None:
        moment = _read(lambda: datetime.fromisoformat(text))
        if moment is None or moment.tzinfo is None:
            raise WrongQueryError(f"{name}: write a Unix time in seconds")
        number = moment.timestamp()
    if not 0 <= number < 2**63:
        raise WrongQueryError(f"{name}: write a Unix time in seconds")
    whole = int(text) if text.isdecimal() else round(number)
    return whole if number >= _SECONDS_MAX else round(number * NANOSECONDS)


def _number(asked: Asked, name: str, default: int, most: int) -> int:
    text = asked.get(name, "")
    if text in {"", "0"}:
        return default
    if not text.isdecimal() or int(text) > most:
        raise WrongQueryError(f"{name}: write a number from 1 to {most}")
    return int(text)


def _read(reading: Callable[[], Read]) -> Read | None:
    try:
        return reading()
    except (ValueError, OverflowError):
        return None
