"""The kinds of flame graph there are, in the order in which they are offered.

An id is Pyroscope's: name, what is measured, its unit, and what it is sampled by. Grafana takes the
third part for the unit of the bars, so it is a unit that Grafana knows or shows as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.query.flame.build import hierarchy
from exporter.query.flame.lineage import lineage
from exporter.query.flame.spans import FlameSpans
from exporter.query.flame.tree import FlameTree
from exporter.query.flame.wall import wall
from exporter.query.flame.work import work
from exporter.spans.schema import TOKEN_KINDS

_PERIOD = "llm:count"


class Measure(StrEnum):
    """Where a span's own value comes from."""

    COST = "cost"
    TOKENS = "tokens"
    CALLS = "calls"
    ERRORS = "errors"
    WALL = "wall"
    WORK = "work"


@dataclass(frozen=True, slots=True)
class ProfileType:
    """One kind of flame graph."""

    name: str
    """What users type: cost, tokens_input, wall ..."""
    unit: str
    measure: Measure
    meaning: str
    columns: tuple[str, ...] = ()
    """Columns of the spans table that add up to a span's own value; none: `measure` says."""

    @property
    def id(self) -> str:
        """Pyroscope's profile type id."""
        return f"llm:{self.name}:{self.unit}:{_PERIOD}"


def _tokens(name: str, meaning: str, *cost_types: str) -> ProfileType:
    columns = tuple(
        kind.column for kind in TOKEN_KINDS if not cost_types or kind.cost in cost_types
    )
    return ProfileType(name, "tokens", Measure.TOKENS, meaning, columns)


PROFILE_TYPES: tuple[ProfileType, ...] = (
    ProfileType(
        "cost", "nUSD", Measure.COST, "cost of calls in nano-dollars, 1e-9 USD", ("CostUsd",)
    ),
    _tokens("tokens", "tokens of all kinds"),
    _tokens("tokens_input", "input tokens that no cache served", "input"),
    _tokens("tokens_cache_read", "input tokens read from a cache", "cache_read"),
    _tokens("tokens_cache_write", "input tokens written to a cache", "cache_write"),
    _tokens("tokens_output", "output tokens without reasoning", "output"),
    _tokens("tokens_reasoning", "output tokens spent on reasoning", "reasoning"),
    ProfileType("calls", "count", Measure.CALLS, "calls that a provider would bill"),
    ProfileType("errors", "count", Measure.ERRORS, "spans that failed"),
    ProfileType(
        "wall", "nanoseconds", Measure.WALL, "time that a person waited; parallel spans share it"
    ),
    ProfileType(
        "work", "nanoseconds", Measure.WORK, "time that spans ran themselves; parallel spans add up"
    ),
)

BY_ID: dict[str, ProfileType] = {kind.id: kind for kind in PROFILE_TYPES}
BY_NAME: dict[str, ProfileType] = {kind.name: kind for kind in PROFILE_TYPES}
DEFAULT = PROFILE_TYPES[0]


def flame_graph(spans: FlameSpans, kind: ProfileType) -> FlameTree:
    """Make the flame graph of a profile type by span hierarchy."""
    family = lineage(spans)
    if kind.measure is Measure.WALL:
        spans = spans.valued(wall(spans, family))
    elif kind.measure is Measure.WORK:
        spans = spans.valued(work(spans, family))
    return hierarchy(spans, family)
