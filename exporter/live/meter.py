"""Read the observer's counters, and say what happened between two readings.

A reading is a few sums of arrays, whoever watches and however many; what a row of a metric is
filed under is found once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.metrics import catalog
from exporter.metrics.observe import Observer
from exporter.metrics.series import Rows

_COUNTS = ("requests", "errors", "unpriced", "tokens", "nano-dollars")
_REQUESTS, _ERRORS, _UNPRICED, _TOKENS, _NANO = range(len(_COUNTS))
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of m models at one instant; models are only ever added, at the end."""

    at_s: float
    """On a clock that never steps."""
    unix_s: float
    models: Sequence[str]
    counts: Rows
    """m x 5, see `_COUNTS`."""
    durations: Rows
    """m x buckets: calls that took at most so long, of `DURATION_BUCKETS_S` and without end."""


class Meter:
    """Reads one observer. One thread at a time."""

    def __init__(
        self,
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._observer = observer
        self._clock = clock
        self._wall = wall
        self._models: dict[str, int] = {}
        self._files = {
            metric.name: _File(metric)
            for metric in (
                catalog.REQUESTS,
                catalog.UNPRICED,
                catalog.TOKENS,
                catalog.COST,
                catalog.REQUEST_DURATION,
            )
        }

    def __call__(self) -> Reading:
        """Read; the observer is held up only while its arrays are copied."""
        counters, histograms = self._observer.counters, self._observer.histograms
        with self._observer.lock:
            requests = counters[catalog.REQUESTS.name].snapshot()
            unpriced = counters[catalog.UNPRICED.name].snapshot()
            tokens = counters[catalog.TOKENS.name].snapshot()
            cost = counters[catalog.COST.name].snapshot()
            durations = histograms[catalog.REQUEST_DURATION.name].counts()
        for name, (label_sets, _) in (
            (catalog.REQUESTS.name, requests),
            (catalog.UNPRICED.name, unpriced),
            (catalog.TOKENS.name, tokens),
            (catalog.COST.name, cost),
            (catalog.REQUEST_DURATION.name, durations),
        ):
            self._files[name].extend(label_sets, self._models)
        by_request = self._files[catalog.REQUESTS.name]
        counts = np.zeros((len(self._models), len(_COUNTS)), dtype=np.int64)
        np.add.at(counts[:, _REQUESTS], by_request.model, requests[1])
        np.add.at(counts[:, _ERRORS], by_request.model, requests[1] * by_request.failed)
        np.add.at(counts[:, _UNPRICED], self._files[catalog.UNPRICED.name].model, unpriced[1])
        np.add.at(counts[:, _TOKENS], self._files[catalog.TOKENS.name].model, tokens[1])
        np.add.at(counts[:, _NANO], self._files[catalog.COST.name].model, cost[1])
        buckets = np.zeros((len(self._models), durations[1].shape[1]), dtype=np.int64)
        np.add.at(buckets, self._files[catalog.REQUEST_DURATION.name].model, durations[1])
        return Reading(self._clock(), self._wall(), list(self._models), counts, buckets)


class _File:
    """The model of each row of a metric, and whether it counts failures."""

    def __init__(self, metric: catalog.Metric) -> None:
        names = [label.name for label in metric.labels]
        self._model = names.index(catalog.MODEL.name)
        self._status = names.index(catalog.STATUS.name) if catalog.STATUS.name in names else -1
        self.model: Rows = np.empty(0, dtype=np.int64)
        self.failed: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)

    def extend(self, label_sets: list[tuple[str, ...]], models: dict[str, int]) -> None:
        """File the rows that are new."""
        new = label_sets[len(self.model) :]
        if not new:
            return
        codes = [models.setdefault(labels[self._model], len(models)) for labels in new]
        self.model = np.concatenate((self.model, np.array(codes, dtype=np.int64)))
        failed = [self._status >= 0 and labels[self._status] == "error" for labels in new]
        self.failed = np.concatenate((self.failed, np.array(failed, dtype=np.bool_)))


def snapshot(base: Reading, before: Reading, now: Reading) -> dict[str, Any]:
    """Say what happened since `before`, exactly, and at which rates since `base`."""
    window_s = now.at_s - base.at_s
    counts = _since(before.counts, now.counts)
    recent = _since(base.counts, now.counts)
    durations = _since(base.durations, now.durations)
    active = np.flatnonzero((recent != 0).any(axis=1) | (counts != 0).any(axis=1))
    return {
        "time_unix_s": round(now.unix_s, 3),
        "interval_s": round(now.at_s - before.at_s, 3),
        "window_s": round(window_s, 3),
        "total": _figures(counts.sum(axis=0), recent.sum(axis=0), durations.sum(axis=0), window_s),
        "by_model": {
            now.models[at]: _figures(counts[at], recent[at], durations[at], window_s)
            for at in active.tolist()
        },
    }


def _since(before: Rows, now: Rows) -> Rows:
    grown = now.copy()
    grown[: len(before)] -= before
    return grown


def _figures(counts: Rows, recent: Rows, durations: Rows, window_s: float) -> dict[str, Any]:
    requests = int(recent[_REQUESTS])
    return {
        "requests": int(counts[_REQUESTS]),
        "errors": int(counts[_ERRORS]),
        "unpriced": int(counts[_UNPRICED]),
        "tokens": int(counts[_TOKENS]),
        "cost_usd": usd(int(counts[_NANO])),
        "requests_per_s": _rate(requests, window_s),
        "tokens_per_s": _rate(int(recent[_TOKENS]), window_s),
        "cost_usd_per_h": _rate(int(recent[_NANO]) * _HOUR_S / 1e9, window_s),
        "error_rate": int(recent[_ERRORS]) / requests if requests else None,
        "p50_s": quantile(0.5, durations),
        "p95_s": quantile(0.95, durations),
    }


def usd(nano: int) -> str:
    """Return nano-dollars as dollars, exactly."""
    return f"{Decimal(nano).scaleb(-9):f}"


def _rate(amount: float, window_s: float) -> float:
    return amount / window_s if window_s > 0 else 0.0


def quantile(share: float, at_most: Rows) -> float | None:
    """Return a quantile in seconds as Prometheus' histogram_quantile does; None of nothing."""
    total = int(at_most[-1])
    if not total:
        return None
    bounds = catalog.DURATION_BUCKETS_S
    bucket = int(np.searchsorted(at_most, share * total, side="left"))
    if bucket >= len(bounds):
        return bounds[-1]
    below = int(at_most[bucket - 1]) if bucket else 0
    start = bounds[bucket - 1] if bucket else 0.0
    inside = (share * total - below) / (int(at_most[bucket]) - below)
    return start + (bounds[bucket] - start) * inside
