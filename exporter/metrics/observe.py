"""Count a priced batch: group its rows by their labels, add each group once.

Counting and reading share one lock. Reading copies the arrays under it and renders outside, so a
scrape holds up ingest for the time of a copy, not of a rendering.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.fields import CALL, PENDING
from exporter.genai.prices.money import nano_dollars
from exporter.metrics import catalog
from exporter.metrics.cardinality import LabelLimiter
from exporter.metrics.catalog import Label, Metric, MetricType
from exporter.metrics.places import Edges
from exporter.metrics.series import CounterSeries, HistogramSeries, Observations
from exporter.metrics.service_graph import ServiceGraph, hex_ids
from exporter.spans.arrow import holds, known
from exporter.spans.batch import Bools, SpanBatch
from exporter.spans.schema import COST_COLUMNS, NANOSECONDS, TOKEN_KINDS

Labels = tuple[str, ...]
_KEYS_MAX = 2**62
# Kept in nano-dollars.
_MONEY = (catalog.COST, catalog.ESTIMATED_COST)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Some rows of a batch, grouped by the values of some labels."""

    rows: NDArray[np.intp]
    """Positions in the batch."""
    group: NDArray[np.int64]
    """Group of each row."""
    labels: tuple[Label, ...]
    values: list[Labels]
    """Label values of each group, in the order of `labels`."""

    def project(self, labels: Sequence[Label], constant: str = "") -> list[Labels]:
        """Return each group's values of these labels; `constant` for a label without a column."""
        at = [self.labels.index(label) if label.column else -1 for label in labels]
        return [tuple(values[i] if i >= 0 else constant for i in at) for values in self.values]

    def count(self, among: Bools | None = None) -> NDArray[np.int64]:
        """Return the rows of each group, all or those marked."""
        group = self.group if among is None else self.group[among]
        return np.bincount(group, minlength=len(self.values))

    def sum(self, amounts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum of each group, as integers: floats lose nano-dollars above 2**53."""
        sums = np.zeros(len(self.values), dtype=np.int64)
        np.add.at(sums, self.group, amounts)
        return sums


class Observer:
    """All metrics of the workload, and how a batch is counted into them."""

    def __init__(
        self,
        *,
        extra_labels: Sequence[str] = (),
        label_values_max: int,
        series_max: int,
        graph: ServiceGraph | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an observer that has seen nothing; without a graph none is counted."""
        self._graph = graph
        self._clock = clock
        self._extra = tuple(catalog.EXTRA_LABELS[name] for name in extra_labels)
        self._values_max = label_values_max
        self._limiters: dict[str, LabelLimiter] = {}
        self.lock = threading.Lock()
        self.counters: dict[str, CounterSeries] = {}
        self.histograms: dict[str, HistogramSeries] = {}
        for declared in catalog.METRICS:
            metric = catalog.with_extra_labels(declared, self._extra)
            if metric.type is MetricType.HISTOGRAM:
                self.histograms[metric.name] = HistogramSeries(metric, series_max)
            else:
                scale = NANOSECONDS if declared in _MONEY else 1
                self.counters[metric.name] = CounterSeries(metric, series_max, scale=scale)

    def __call__(self, batch: SpanBatch) -> None:
        """Count every call, tool, agent and operation of a priced batch, once."""
        with self.lock:
            self._calls(batch)
            self._runs(batch, "tool", catalog.TOOL_CALLS, catalog.TOOL_DURATION)
            self._runs(batch, "agent", catalog.AGENT_RUNS, catalog.AGENT_DURATION)
            self._operations(batch)
            if self._graph is not None:
                self._entries(batch)
                self._edges(self._graph, self._graph(batch, self._clock()))

    def settle(self) -> None:
        """Count the requests that nobody answered in time; for each scrape, when nothing comes."""
        if self._graph is not None:
            with self.lock:
                self._edges(self._graph, self._graph.expire(self._clock()))

    @property
    def overflows(self) -> dict[str, int]:
        """Label values and series that were turned away, by label or metric name."""
        tables = [*self.counters.values(), *self.histograms.values()]
        by_label = {name: limiter.overflowed for name, limiter in self._limiters.items()}
        if self._graph is not None:
            by_label["node"] = self._graph.overflowed
        return by_label | {series.metric.name: series.table.overflowed for series in tables}

    @property
    def series(self) -> dict[str, int]:
        """Number of label sets of each metric."""
        tables = [*self.counters.values(), *self.histograms.values()]
        return {t.metric.name: len(t.table) for t in tables}

    def _calls(self, batch: SpanBatch) -> None:
        # Mostly calls; an agent whose calls report no usage stands for them.
        own = np.flatnonzero(holds(batch["UsageRole"], "own"))
        labels = (*catalog.REQUESTS.labels, catalog.REASON, *self._extra)
        groups = self._group(batch, own, labels)
        if not groups.values:
            return
        self._add(catalog.REQUESTS, groups, groups.count())
        self._add(
            catalog.UNPRICED, groups, groups.count(known(batch["UnpricedReason"])[groups.rows])
        )
        estimated = holds(batch["UsageSource"], "estimated")
        missing = (holds(batch["UsageSource"], "missing") | estimated) & holds(
            batch["Status"], "ok"
        )
        self._add(catalog.MISSING_USAGE, groups, groups.count(missing[groups.rows]))
        self._tokens(batch, groups, catalog.TOKENS, ~estimated)
        # What a sender reports as cost is exact whatever is known of the tokens.
        computed = estimated & holds(batch["CostSource"], "computed")
        self._costs(batch, groups, catalog.COST, ~computed)
        if estimated.any():
            self._tokens(batch, groups, catalog.ESTIMATED_TOKENS, estimated)
            self._costs(batch, groups, catalog.ESTIMATED_COST, computed)
        self._durations(catalog.REQUEST_DURATION, batch, groups, "Duration")
        self._durations(catalog.TIME_TO_FIRST_TOKEN, batch, groups, "TimeToFirstToken")
        self._durations(catalog.TIME_PER_OUTPUT_TOKEN, batch, groups, "TimePerOutputToken")

    def _tokens(self, batch: SpanBatch, groups: _Groups, metric: Metric, among: Bools) -> None:
        """Add the tokens of the marked spans to a metric."""
        for kind in TOKEN_KINDS:
            column = batch[kind.column]
            if column.null_count == len(column):
                continue
            given = (known(column) & among)[groups.rows]
            amounts = np.where(among, column.fill_null(0).to_numpy().astype(np.int64), 0)
            self._add(
                metric,
                groups,
                groups.sum(amounts[groups.rows]),
                groups.count(given) > 0,
                kind.name,
            )

    def _costs(self, batch: SpanBatch, groups: _Groups, metric: Metric, among: Bools) -> None:
        """Add the costs of the marked spans to a metric."""
        parts = np.zeros(len(batch), dtype=np.int64)
        for name, column in COST_COLUMNS.items():
            priced = (known(batch[column]) & among)[groups.rows]
            amounts = np.where(among, nano_dollars(batch[column]), 0)
            parts += amounts
            self._add(
                metric, groups, groups.sum(amounts[groups.rows]), groups.count(priced) > 0, name
            )
        # What a sender reports as one sum has no parts.
        rest = np.where(among, nano_dollars(batch["CostUsd"]), 0) - parts
        unsplit = (holds(batch["CostSource"], "reported") & among)[groups.rows]
        self._add(
            metric,
            groups,
            groups.sum(rest[groups.rows]),
            groups.count(unsplit) > 0,
            catalog.COST_UNSPLIT,
        )

    def _runs(self, batch: SpanBatch, span_class: str, runs: Metric, duration: Metric) -> None:
        groups = self._group(
            batch, np.flatnonzero(holds(batch["SpanClass"], span_class)), runs.labels
        )
        if groups.values:
            self._add(runs, groups, groups.count())
            self._durations(duration, batch, groups, "Duration")

    def _operations(self, batch: SpanBatch) -> None:
        counted = np.zeros(len(batch), dtype=np.bool_)
        for span_class in (CALL, PENDING, "tool", "agent"):
            counted |= holds(batch["SpanClass"], span_class)
        others = known(batch["SpanClass"]) & ~counted
        groups = self._group(batch, np.flatnonzero(others), catalog.OPERATIONS.labels)
        if groups.values:
            self._add(catalog.OPERATIONS, groups, groups.count())

    def _entries(self, batch: SpanBatch) -> None:
        kind = batch["SpanKind"]
        entries = (batch.parent_keys == 0) | holds(kind, "Server") | holds(kind, "Consumer")
        groups = self._group(batch, np.flatnonzero(entries), catalog.ENTRIES.labels)
        if groups.values:
            spelled = [
                (*labels, f"SPAN_KIND_{kind.upper()}", f"STATUS_CODE_{status.upper()}")
                for *labels, kind, status in groups.values
            ]
            groups = replace(groups, values=spelled)
            self._add(catalog.ENTRIES, groups, groups.count())
            self._durations(catalog.ENTRY_DURATION, batch, groups, "Duration")

    def _edges(self, graph: ServiceGraph, edges: Edges) -> None:
        if not len(edges):
            return
        label_sets, group = graph.grouped(edges)
        counts = np.bincount(group, minlength=len(label_sets))
        self.counters[catalog.EDGE_REQUESTS.name].add(label_sets, counts)
        failed = np.bincount(group[edges["failed"]], minlength=len(label_sets))
        # 0 failures, too: a rate of failures needs the series to be there before the first.
        self.counters[catalog.EDGE_FAILURES.name].add(label_sets, failed)
        for metric, column in (
            (catalog.EDGE_SERVER_DURATION, "server_ns"),
            (catalog.EDGE_CLIENT_DURATION, "client_ns"),
        ):
            seen = Observations(
                groups=group,
                values_ns=edges[column],
                end_ns=edges["end_ns"],
                trace_ids=edges["trace_id"],
                span_ids=edges["span_id"],
            )
            self.histograms[metric.name].observe(label_sets, seen)

    def _add(
        self,
        metric: Metric,
        groups: _Groups,
        amounts: NDArray[np.int64],
        present: Bools | None = None,
        constant: str = "",
    ) -> None:
        """Add each group's amount; `present` says which groups have one (default: not 0)."""
        series = self.counters[metric.name]
        chosen = np.flatnonzero(amounts > 0 if present is None else present)
        if len(chosen):
            label_sets = groups.project(series.metric.labels, constant)
            series.add([label_sets[i] for i in chosen], amounts[chosen])

    def _durations(self, metric: Metric, batch: SpanBatch, groups: _Groups, column: str) -> None:
        measured = known(batch[column])[groups.rows]
        if not measured.any():
            return
        rows = groups.rows[measured]
        series = self.histograms[metric.name]
        seen = Observations(
            groups=groups.group[measured],
            values_ns=batch[column].fill_null(0).to_numpy().astype(np.int64)[rows],
            end_ns=(batch.start_ns + batch.duration_ns)[rows],
            trace_ids=hex_ids(batch["TraceId"], 32)[rows],
            span_ids=hex_ids(batch["SpanId"], 16)[rows],
        )
        series.observe(groups.project(series.metric.labels), seen)

    def _group(
        self, batch: SpanBatch, rows: NDArray[np.intp], labels: tuple[Label, ...]
    ) -> _Groups:
        key = np.zeros(len(rows), dtype=np.int64)
        codes: list[NDArray[np.int64]] = []
        words: list[list[str]] = []
        size = 1
        for label in labels:
            code, values = self._label(label, batch[label.column], rows)
            codes.append(code)
            words.append(values)
            if size * len(values) > _KEYS_MAX:
                # The combinations that are there are few; those that could be exceed 64 bits.
                distinct, key = np.unique(key, return_inverse=True)
                size = len(distinct)
            key = key * len(values) + code
            size *= len(values)
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        values = [
            tuple(word[code[row]] for word, code in zip(words, codes, strict=True))
            for row in first.tolist()
        ]
        return _Groups(rows, group.reshape(-1), labels, values)

    def _label(
        self, label: Label, column: pa.Array, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Return a code for each row and the admitted value of each code."""
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        raw = encoded.indices.fill_null(-1).to_numpy()[rows]
        used, code = np.unique(raw, return_inverse=True)
        dictionary = encoded.dictionary
        values = [dictionary[c].as_py() if c >= 0 else label.default for c in used.tolist()]
        if label.open:
            limiter = self._limiters.setdefault(label.name, LabelLimiter(self._values_max))
            # What is not known is always admitted: it is one value, and it is ours.
            values = [v if v == label.default else limiter.admit(v) for v in values]
        return code.reshape(-1), values or [""]
