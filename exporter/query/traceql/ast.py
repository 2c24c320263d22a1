"""What a TraceQL query says, once it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from exporter.spans.condition import Comparison, Condition, Field


@dataclass(frozen=True, slots=True)
class Named:
    """A field, and how the query writes it."""

    name: str
    field: Field

    @property
    def key(self) -> str:
        """The key of its value beside a span that was found: its name without the scope."""
        scope, dot, rest = self.name.partition(".")
        known = scope in {"", "span", "resource", "event", "link", "instrumentation"}
        return rest if dot and known else self.name


@dataclass(frozen=True, slots=True)
class Filter:
    """`{ ... }`: the spans that meet a condition, and the fields that it names."""

    condition: Condition
    fields: tuple[Named, ...] = ()


class Relation(StrEnum):
    """How the spans on the right stand to those on the left; those on the right are found."""

    CHILD = ">"
    DESCENDANT = ">>"
    PARENT = "<"
    ANCESTOR = "<<"
    SIBLING = "~"


class Finds(StrEnum):
    """What a relation finds."""

    RIGHT = ""
    """The spans on the right that have one on the left."""
    NOT = "!"
    """The spans on the right that have none on the left."""
    BOTH = "&"
    """Both of every pair."""


@dataclass(frozen=True, slots=True)
class Related:
    """Two sets of spans of one trace that stand in a relation."""

    left: Spans
    relation: Relation
    right: Spans
    finds: Finds = Finds.RIGHT


@dataclass(frozen=True, slots=True)
class AllSets:
    """The spans of every set, in traces that have some of each."""

    sets: tuple[Spans, ...]


@dataclass(frozen=True, slots=True)
class AnySets:
    """The spans of any set."""

    sets: tuple[Spans, ...]


Spans = Filter | Related | AllSets | AnySets


@dataclass(frozen=True, slots=True)
class Select:
    """`| select(...)`: values to show beside each span."""

    fields: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class By:
    """`| by(...)`: a set of spans for each value."""

    field: Named


@dataclass(frozen=True, slots=True)
class Coalesce:
    """`| coalesce()`: the sets of a trace as one again."""


class Function(StrEnum):
    """What is computed of a set of spans."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Threshold:
    """`| avg(duration) > 1s`: the sets for which it holds. Durations are nanoseconds."""

    function: Function
    field: Named | None
    comparison: Comparison
    value: float


Stage = Select | By | Coalesce | Threshold


class Measure(StrEnum):
    """What a metrics query computes of each step."""

    RATE = "rate"
    COUNT = "count_over_time"
    SUM = "sum_over_time"
    AVG = "avg_over_time"
    MIN = "min_over_time"
    MAX = "max_over_time"
    QUANTILE = "quantile_over_time"
    HISTOGRAM = "histogram_over_time"


@dataclass(frozen=True, slots=True)
class Metrics:
    """`| rate() by(...)`."""

    measure: Measure
    of: Named | None = None
    quantiles: tuple[float, ...] = ()
    by: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Contrast:
    """`| compare({ ... }, 10)`: the attributes of the selection's spans beside the others'."""

    selection: Condition
    top: int
    """Values of each attribute, the most frequent."""


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. With `metrics` it has no stages, and one filter."""

    spans: Spans
    stages: tuple[Stage, ...] = ()
    metrics: Metrics | Contrast | None = None
    hints: dict[str, str] = field(default_factory=dict[str, str])


def filters(spans: Spans) -> tuple[Filter, ...]:
    """Return every filter of a query, from left to right; an equal one once."""
    match spans:
        case Filter():
            found = (spans,)
        case Related(left, _, right):
            found = (*filters(left), *filters(right))
        case AllSets(sets) | AnySets(sets):
            found = tuple(each for one in sets for each in filters(one))
    return tuple(dict.fromkeys(found))


def shown(query: Query) -> tuple[Named, ...]:
    """Return the fields whose values are shown: those that filters or `select` name, once."""
    named = [each for one in filters(query.spans) for each in one.fields]
    named += [each for stage in query.stages if isinstance(stage, Select) for each in stage.fields]
    return tuple({each.name: each for each in named}.values())
