"""What every question about stored spans has: a time, a condition, and how much of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

from exporter.spans.condition import EVERY_SPAN, Condition
from exporter.spans.schema import NANOSECONDS


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From a nanosecond since 1970 to before another. What counts is when a span began."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        """How long it is."""
        return self.end_ns - self.start_ns

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.length_ns / NANOSECONDS

    @property
    def before(self) -> TimeRange:
        """The range of the same length that ends where this one starts."""
        return TimeRange(self.start_ns - self.length_ns, self.start_ns)

    def widened(self, to_ns: int) -> TimeRange:
        """Return the smallest range around it whose ends are multiples of `to_ns`."""
        return TimeRange(self.start_ns // to_ns * to_ns, -(-self.end_ns // to_ns) * to_ns)


@dataclass(frozen=True, slots=True)
class About:
    """Which spans a question is about."""

    range: TimeRange
    condition: Condition = EVERY_SPAN
    since_ns: int | None = None
    """Start of the time that it is compared with; both are answered from one table."""

    def at(self, other: TimeRange) -> About:
        """Return the same question about another time."""
        return replace(self, range=other)


class Tables(StrEnum):
    """Where usage may be read from."""

    AUTO = "auto"
    """The usage by hour or minute where it can answer exactly, else the spans."""
    ROLLUP = "rollup"
    """The usage by hour or minute, for the time asked about widened to whole minutes."""
    SPANS = "spans"


@dataclass(frozen=True, slots=True)
class Grouping:
    """How usage is grouped and ordered."""

    by: tuple[str, ...]
    """Dimensions."""
    step_s: int = 0
    """Length of the steps of time, 0: none."""
    order: str = "cost"


Key = tuple[int | str, ...]
"""The place of a row in its order: what it is ordered by, then what tells equals apart."""


@dataclass(frozen=True, slots=True)
class Page:
    """How many rows, and behind which one (None: from the first)."""

    limit: int
    after: Key | None = None


Row = TypeVar("Row")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Found(Generic[Row]):
    """A page of an answer."""

    rows: list[Row]
    source: str
    """The table that was read."""
    range: TimeRange
    next: Key | None = None
    """Behind which row the next page starts, None: this is the last."""
    missing_before_ns: int | None = None
    """Rows of the time before this are deleted; None: none of the time that was looked at."""
    more: Mapping[str, Sequence[BaseModel]] = field(default_factory=dict[str, Sequence[BaseModel]])
    """Further lists that belong to the rows, by their names."""

    def with_rows(
        self, rows: list[Other], more: Mapping[str, Sequence[BaseModel]] | None = None
    ) -> Found[Other]:
        """Return the same page with rows made of its rows."""
        return Found(
            rows, self.source, self.range, self.next, self.missing_before_ns, more or self.more
        )

    def about(self, range_: TimeRange) -> Found[Row]:
        """Return the same page as the answer about a time."""
        return replace(self, range=range_)
