"""What people search and find: questions of the Tempo API and their answers, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.query.traceql.ast import Named, Query
from exporter.query.traceql.evaluate import Shown

ROOT_NOT_YET_RECEIVED = "<root span not yet received>"
"""The name of a trace whose root has not arrived: Tempo's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which traces to find, within a time in nanoseconds."""

    query: Query
    start_ns: int
    end_ns: int
    traces: int
    spans: int
    """Spans to show of each set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSpan:
    """A span that was asked for."""

    span_id: str
    name: str
    start_ns: int
    duration_ns: int
    values: tuple[tuple[str, Shown], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSpans:
    """A set of spans of one trace: how many there are, and some of them."""

    matched: int
    spans: tuple[FoundSpan, ...]
    by: tuple[tuple[str, Shown], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTrace:
    """A trace, what was asked for in it, and what its services did."""

    trace_id: str
    root_service: str
    root_name: str
    start_ns: int
    end_ns: int
    sets: tuple[FoundSpans, ...]
    services: dict[str, tuple[int, int]]
    """Spans and errors of each service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTraces:
    """The answer to a search."""

    traces: tuple[FoundTrace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSearch:
    """Which numbers, over which time; `step_ns` None: one number for all of it."""

    query: Query
    start_ns: int
    end_ns: int
    step_ns: int | None
    exemplars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A span that a number is of."""

    trace_id: str
    span_id: str
    time_ns: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Numbers of one set of labels: pairs of time in nanoseconds and value."""

    labels: tuple[tuple[str, Shown], ...]
    samples: tuple[tuple[int, float], ...]
    exemplars: tuple[Exemplar, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesSearch:
    """The values of a field; `query` narrows the spans that are looked at."""

    field: Named
    query: Query
    start_ns: int
    end_ns: int
    limit: int
