"""The numbers behind the metrics: arrays that grow by a row for each new label set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.metrics.cardinality import SeriesTable
from exporter.metrics.catalog import Metric
from exporter.spans.schema import NANOSECONDS

Rows = NDArray[np.int64]


class CounterSeries:
    """Integer totals of one counter (for money: nano-dollars)."""

    def __init__(self, metric: Metric, series_max: int, *, scale: int = 1) -> None:
        self.metric = metric
        self.table = SeriesTable([label.open for label in metric.labels], series_max)
        self.scale = scale
        """What one unit of the exposed value is in the stored integers."""
        self._totals = np.zeros(64, dtype=np.int64)

    def add(self, label_sets: list[tuple[str, ...]], amounts: NDArray[np.int64]) -> None:
        """Add an amount to each label set; a label set may occur more than once."""
        rows = np.array([self.table.row(values) for values in label_sets], dtype=np.int64)
        self._totals = grown(self._totals, len(self.table))
        np.add.at(self._totals, rows, amounts)

    def snapshot(self) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
        """Return the label sets and a copy of their totals."""
        return self.table.label_sets, self._totals[: len(self.table)].copy()


@dataclass(frozen=True, slots=True)
class Exemplars:
    """The last observation of each bucket of each row; an empty trace id: none yet."""

    trace_ids: NDArray[np.bytes_]
    span_ids: NDArray[np.bytes_]
    values_s: NDArray[np.float64]
    times_s: NDArray[np.float64]

    @staticmethod
    def empty(rows: int, buckets: int) -> Exemplars:
        """Return exemplars of a histogram that has seen nothing."""
        shape = (rows, buckets)
        return Exemplars(
            np.zeros(shape, dtype="S32"),
            np.zeros(shape, dtype="S16"),
            np.zeros(shape),
            np.zeros(shape),
        )

    def grown(self, rows: int) -> Exemplars:
        """Return the same exemplars with room for at least `rows` rows."""
        return Exemplars(
            grown(self.trace_ids, rows),
            grown(self.span_ids, rows),
            grown(self.values_s, rows),
            grown(self.times_s, rows),
        )

    def copy(self, rows: int) -> Exemplars:
        """Return a copy of the first rows."""
        return Exemplars(
            self.trace_ids[:rows].copy(),
            self.span_ids[:rows].copy(),
            self.values_s[:rows].copy(),
            self.times_s[:rows].copy(),
        )


@dataclass(frozen=True, slots=True)
class Observations:
    """m observations of one batch: group of each, nanoseconds, and where they came from."""

    groups: NDArray[np.int64]
    values_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    trace_ids: NDArray[np.bytes_]
    span_ids: NDArray[np.bytes_]


class HistogramSeries:
    """Bucket counts, sums and exemplars of one histogram of durations."""

    def __init__(self, metric: Metric, series_max: int) -> None:
        self.metric = metric
        self.table = SeriesTable([label.open for label in metric.labels], series_max)
        self._bounds_ns = np.array(metric.buckets_ns, dtype=np.int64)
        self._buckets = len(self._bounds_ns) + 1
        self._counts = np.zeros((64, self._buckets), dtype=np.int64)
        self._sums_s = np.zeros(64)
        self._exemplars = Exemplars.empty(64, self._buckets)

    def observe(self, label_sets: list[tuple[str, ...]], seen: Observations) -> None:
        """Count observations; `seen.groups` are positions in `label_sets`."""
        occurs = np.bincount(seen.groups, minlength=len(label_sets)) > 0
        used = np.flatnonzero(occurs)
        if not len(used):
            return
        groups = (np.cumsum(occurs) - 1)[seen.groups]
        # Groups that differ only in labels that this metric leaves out share a row.
        of_group = [self.table.row(label_sets[group]) for group in used]
        rows, merged = np.unique(np.array(of_group, dtype=np.int64), return_inverse=True)
        groups = merged[groups]
        self._make_room()
        # A bound belongs to its bucket (`le`).
        bucket = np.searchsorted(self._bounds_ns, seen.values_ns, side="left")
        cell = groups * self._buckets + bucket
        counts = np.bincount(cell, minlength=len(rows) * self._buckets)
        np.add.at(self._counts, rows, counts.reshape(len(rows), self._buckets))
        sums = np.bincount(groups, weights=seen.values_ns.astype(np.float64), minlength=len(rows))
        np.add.at(self._sums_s, rows, sums / NANOSECONDS)
        # Of equal positions the last assignment stands: the newest observation of the bucket.
        last = np.full(len(counts), -1, dtype=np.int64)
        last[cell] = np.arange(len(cell))
        self._keep_exemplars(rows, np.flatnonzero(last >= 0), last, seen)

    def _make_room(self) -> None:
        self._counts = grown(self._counts, len(self.table))
        self._sums_s = grown(self._sums_s, len(self.table))
        self._exemplars = self._exemplars.grown(len(self.table))

    def _keep_exemplars(self, rows: Rows, cells: Rows, last: Rows, seen: Observations) -> None:
        at = rows[cells // self._buckets], cells % self._buckets
        chosen = last[cells]
        self._exemplars.trace_ids[at] = seen.trace_ids[chosen]
        self._exemplars.span_ids[at] = seen.span_ids[chosen]
        self._exemplars.values_s[at] = seen.values_ns[chosen] / NANOSECONDS
        self._exemplars.times_s[at] = seen.end_ns[chosen] / NANOSECONDS

    def counts(self) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
        """Return the label sets and a copy of their cumulative counts."""
        return self.table.label_sets, np.cumsum(self._counts[: len(self.table)], axis=1)

    def snapshot(
        self,
    ) -> tuple[list[tuple[str, ...]], NDArray[np.int64], NDArray[np.float64], Exemplars]:
        """Return the label sets and copies of their cumulative counts, sums and exemplars."""
        n = len(self.table)
        return (
            self.table.label_sets,
            np.cumsum(self._counts[:n], axis=1),
            self._sums_s[:n].copy(),
            self._exemplars.copy(n),
        )


def grown(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return the array with room for `rows` rows, doubling so that growth stays cheap."""
    if rows <= len(array):
        return array
    larger = np.zeros((max(rows, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger
