"""Values over time: rows of groups as series of points, and single values as heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.errors import WrongQueryError
from exporter.query.flame.spans import FlameSpans
from exporter.query.profiles.codes import Codes, Words, combined
from exporter.query.profiles.request import Time

Ints = npt.NDArray[np.int64]

POINTS_MAX = 11_000
"""Of a series, as in Prometheus: more than any screen shows."""
BUCKETS = 20
"""Rows of a heat map."""
_CELLS_MAX = 20_000_000

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of time that begin at whole multiples of their length, so that they stay in place."""

    time: Time
    step_ns: int

    def __post_init__(self) -> None:
        if len(self) > POINTS_MAX:
            raise WrongQueryError(f"more than {POINTS_MAX} points: choose a longer step")

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def first(self) -> int:
        """Number of the step that the time begins in."""
        return self.time.start_ns // self.step_ns

    @property
    def last(self) -> int:
        """Number of the step that the time ends in."""
        return max(self.time.end_ns - 1, self.time.start_ns) // self.step_ns

    def of(self, times_ns: Ints) -> Ints:
        """Return the numbers of the steps that some times are in."""
        return times_ns // self.step_ns

    def ends_ms(self) -> Ints:
        """Return the end of each step in Unix milliseconds, that of the last within the time."""
        ends = (np.arange(self.first, self.last + 1) + 1) * self.step_ns
        return np.minimum(ends, self.time.end_ns) // _NS_PER_MS


@dataclass(frozen=True, slots=True)
class Groups:
    """n values that belong to groups and steps."""

    columns: tuple[Words, ...]
    """The words that make the groups, k columns of n."""
    step: Ints
    value: Ints
    count: Ints
    """How many spans make up each value."""
    row: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Of single values the row of the span, or of the first that counts of a trace."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """The span, or a span of the trace, that counted most in a step."""

    time_ms: int
    trace_id: str
    span_id: str
    value: int


@dataclass(frozen=True, slots=True)
class ProfileSeries:
    """One group's points."""

    words: tuple[str, ...]
    """Of the columns that make the groups."""
    times_ms: tuple[int, ...]
    values: tuple[float, ...]
    exemplars: tuple[Exemplar | None, ...] = ()
    """One for each point, or none at all."""


@dataclass(frozen=True, slots=True)
class HeatmapSeries:
    """One group's heat map: how many values are in each bucket of each step that has any."""

    words: tuple[str, ...]
    times_ms: tuple[int, ...]
    bounds: tuple[float, ...]
    """The lower bound of each bucket; they are of one width."""
    counts: tuple[tuple[int, ...], ...]
    most: tuple[int, ...]
    """Which of the n values is the largest of each step."""
    exemplars: tuple[Exemplar | None, ...] = ()
    """One for each step, or none at all."""


def series_of(
    groups: Groups, steps: Steps, *, average: bool, limit: int | None
) -> list[ProfileSeries]:
    """Return the series, the largest total first, at most `limit`.

    A sum has a point for every step, 0 where nothing was counted; an average only where something
    was.
    """
    group, words = _grouped(groups.columns, len(groups.step))
    if not len(group):
        return []
    totals = np.bincount(group, weights=groups.value.astype(np.float64), minlength=len(words))
    order = sorted(range(len(words)), key=lambda g: (-totals[g], words[g]))[:limit]
    ends = steps.ends_ms()
    place = groups.step - steps.first
    by_group = np.argsort(group, kind="stable")
    begin = np.searchsorted(group[by_group], np.arange(len(words) + 1))
    found: list[ProfileSeries] = []
    for number in order:
        rows = by_group[begin[number] : begin[number + 1]]
        total, count = np.zeros(len(steps), np.int64), np.zeros(len(steps), np.int64)
        np.add.at(total, place[rows], groups.value[rows])
        np.add.at(count, place[rows], groups.count[rows])
        if average:
            some = np.flatnonzero(count)
            shown = (ends[some], total[some] / count[some])
        else:
            shown = (ends, total)
        times, values = (tuple(column.tolist()) for column in shown)
        found.append(ProfileSeries(words[number], times, tuple(map(float, values))))
    return found


def heatmaps_of(groups: Groups, steps: Steps, *, limit: int | None) -> list[HeatmapSeries]:
    """Return how single values are spread, the group with the most of them first."""
    group, words = _grouped(groups.columns, len(groups.step))
    if not len(group):
        return []
    low, high = int(groups.value.min()), int(groups.value.max())
    width = max((high - low) / BUCKETS, 1.0)
    bounds = tuple(low + width * number for number in range(BUCKETS))
    bucket = np.minimum((groups.value - low) // width, BUCKETS - 1).astype(np.int64)
    shape = (len(words), len(steps), BUCKETS)
    if np.prod(shape, dtype=np.float64) > _CELLS_MAX:
        raise WrongQueryError("too many cells: choose a longer step or fewer labels")
    cells = np.zeros(shape, np.int64)
    place = group * len(steps) + groups.step - steps.first
    np.add.at(cells.reshape(-1, BUCKETS), (place, bucket), 1)
    most = _largest(place, groups.value, len(words) * len(steps)).reshape(len(words), len(steps))
    ends = steps.ends_ms().tolist()
    order = sorted(range(len(words)), key=lambda g: (-int(cells[g].sum()), words[g]))[:limit]
    found: list[HeatmapSeries] = []
    for number in order:
        some = np.flatnonzero(cells[number].any(axis=1)).tolist()
        counts = tuple(tuple(cells[number, step].tolist()) for step in some)
        times = tuple(ends[step] for step in some)
        largest = tuple(most[number, some].tolist())
        found.append(HeatmapSeries(words[number], times, bounds, counts, largest))
    return found


def _largest(place: Ints, value: Ints, places: int) -> Ints:
    """Return which of the n values is the largest of each place, the first of equal ones."""
    best = np.full(places, np.iinfo(np.int64).min)
    np.maximum.at(best, place, value)
    equal = np.flatnonzero(value == best[place])
    found = np.zeros(places, np.int64)
    found[place[equal[::-1]]] = equal[::-1]
    return found


def _grouped(columns: Sequence[Words], rows: int) -> tuple[Codes, list[tuple[str, ...]]]:
    if columns:
        return combined(columns)
    nothing: tuple[Any, ...] = ()
    return np.zeros(rows, np.int32), [nothing]


def groups_of_spans(
    spans: FlameSpans, words: Sequence[Words], steps: Steps, *, by_trace: bool
) -> Groups:
    """Return the values of the n spans that began in the time, or of their traces.

    `words` are the columns that make the groups. A trace belongs to the groups and the step of its
    first span that counts.
    """
    during = (spans.start_ns >= steps.time.start_ns) & (spans.start_ns < steps.time.end_ns)
    rows = np.flatnonzero(during & (spans.value > 0))
    value = spans.value[rows]
    if by_trace:
        rows = rows[np.argsort(spans.start_ns[rows], kind="stable")]
        _, first, number = np.unique(spans.trace[rows], return_index=True, return_inverse=True)
        value = np.zeros(len(first), np.int64)
        np.add.at(value, number, spans.value[rows])
        rows = rows[first]
    return Groups(
        tuple(Words(w.codes[rows], w.words) for w in words),
        steps.of(spans.start_ns[rows]),
        value,
        np.ones(len(rows), np.int64),
        rows,
    )
