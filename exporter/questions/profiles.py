"""Flame graphs, series and heat maps of cost, tokens and time, and the labels to choose by."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clickhouse.reads import profiles as reads
from clickhouse.reads.flame import SpansWanted, flame_spans, traces_of_keys, traces_of_spans
from clickhouse.reads.session import ReadPool, Session
from exporter.cancellation import Cancellation
from exporter.errors import WrongQueryError
from exporter.query.flame.build import dimensions
from exporter.query.flame.lineage import lineage
from exporter.query.flame.profile_types import Measure, ProfileType, flame_graph
from exporter.query.flame.spans import FlameSpans
from exporter.query.flame.subtree import subtree
from exporter.query.flame.tree import FlameTree, empty_tree
from exporter.query.flame.wall import wall
from exporter.query.flame.work import work
from exporter.query.profiles.codes import words_of
from exporter.query.profiles.request import (
    DIMENSIONS_MAX,
    IDS_MAX,
    ProfileQuery,
    Selection,
    SeriesQuery,
    Time,
    check_dimensions,
    label_column,
)
from exporter.query.profiles.series import (
    Exemplar,
    Groups,
    HeatmapSeries,
    ProfileSeries,
    Steps,
    groups_of_spans,
    heatmaps_of,
    series_of,
)
from exporter.query.profiles.spans import FRAME_COLUMNS, once, span_id_of, span_key, spans_of
from exporter.query.selectors import LABELS
from exporter.questions.profile_sums import ProfileSums, counted_by, narrowed
from exporter.spans.schema import NANOSECONDS

_NS_PER_MS = 1_000_000
_DAY_NS = 86_400 * NANOSECONDS
# A heat map shows a few hundred; each is a key in a query.
_EXEMPLARS_MAX = 5_000
# Look-ups fill a drop-down while a person waits: the last day of the time has to do.
_LABELS_NS = _DAY_NS
# Clocks of senders run ahead.
_AHEAD_NS = 3600 * NANOSECONDS
_TIMES = frozenset({Measure.WALL, Measure.WORK})
# Grafana asks for a span's flame graph with half a minute around the span.
_AROUND_SPAN_NS = 60 * NANOSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLimits:
    """How much one answer may be made from, and how much may be in it."""

    spans_max: int
    series_max: int = 1000
    label_values_max: int = 1000
    minutes_days: int
    """For how long the usage by minute is kept."""


class ProfileQuestions:
    """Answers from the spans that are stored; raises WrongQueryError for what is too much."""

    def __init__(
        self, pool: ReadPool, limits: ProfileLimits, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._clock = clock

    def flame_graph(self, query: ProfileQuery, cancellation: Cancellation) -> FlameTree:
        """Return the flame graph, empty when nothing was found."""
        dims = query.selection.dimensions
        check_dimensions(query.kind, dims)
        if dims and query.span_ids:
            raise WrongQueryError("a span's flame graph cannot be grouped by labels")
        columns = tuple(label_column(name) for name in dims if query.kind.measure in _TIMES)
        with self._pool.session(cancellation) as session:
            if dims and query.kind.measure not in _TIMES:
                return self._sums(session).flame_graph(query)
            table = self._spans(session, query, columns)
        cancellation.check()
        if table is None:
            return empty_tree()
        spans = spans_of(table)
        if query.span_ids:
            keys = [span_key(span_id) for span_id in query.span_ids]
            spans = subtree(spans, np.array(keys, np.uint64))
        if not dims:
            return flame_graph(spans, query.kind)
        words = [words_of(table[name]) for name in columns]
        values = _values(spans, query.kind)
        return dimensions([w.codes for w in words], [w.words for w in words], values)

    def series(self, query: SeriesQuery, cancellation: Cancellation) -> list[ProfileSeries]:
        """Return the values over time, the largest series first."""
        steps = Steps(query.profile.time, query.step_ns)
        columns = _columns(query.group_by)
        with self._pool.session(cancellation) as session:
            if query.profile.kind.measure in _TIMES:
                found = self._groups(session, query.profile, columns, steps)
                if found is None:
                    return []
                return series_of(
                    found[1], steps, average=query.average, limit=self._limit(query.limit)
                )
            sums = self._sums(session)
            groups = sums.groups(query.profile, columns, steps)
            found = series_of(groups, steps, average=query.average, limit=self._limit(query.limit))
            if not query.with_exemplars:
                return found
            most = sums.exemplars(query.profile, columns, steps)
        return [_with_exemplars(each, steps, most) for each in found]

    def heatmap(
        self, query: SeriesQuery, cancellation: Cancellation, *, by_span: bool
    ) -> list[HeatmapSeries]:
        """Return how the values of spans, or of whole traces, are spread over time."""
        steps = Steps(query.profile.time, query.step_ns)
        columns = _columns(query.group_by)
        with self._pool.session(cancellation) as session:
            found = self._groups(session, query.profile, columns, steps, by_trace=not by_span)
            if found is None:
                return []
            spans, groups = found
            maps = heatmaps_of(groups, steps, limit=self._limit(query.limit))
            if not query.with_exemplars:
                return maps
            rows = groups.row[[number for each in maps for number in each.most]]
            keys = spans.trace[rows[:_EXEMPLARS_MAX]].tolist()
            time = query.profile.time
            traces = traces_of_keys(session, keys, time.start_ns, time.end_ns)
        return [_with_largest(each, spans, groups, traces) for each in maps]

    def label_names(
        self, selection: Selection, during: Time, cancellation: Cancellation
    ) -> list[str]:
        """Return the labels that some selected span has."""
        with self._pool.session(cancellation) as session:
            wanted = self._labels(session, tuple(LABELS.values()), selection, during)
            used = reads.labels_used(session, wanted)
        return sorted(name for name, column in LABELS.items() if column in used)

    def label_sets(
        self,
        names: Sequence[str],
        selection: Selection,
        during: Time,
        cancellation: Cancellation,
    ) -> list[tuple[str, ...]]:
        """Return the combinations of labels that selected spans have, the most frequent first.

        At most `label_values_max`.
        """
        columns = tuple(label_column(name) for name in names)
        with self._pool.session(cancellation) as session:
            wanted = self._labels(session, columns, selection, during)
            return reads.label_sets(session, wanted)

    def stored_time(self, cancellation: Cancellation) -> tuple[int, int] | None:
        """Return when the first and the last trace began, in nanoseconds, None: there is none."""
        with self._pool.session(cancellation) as session:
            return reads.stored_time(session)

    def _sums(self, session: Session) -> ProfileSums:
        kept_ns = (self._limits.minutes_days - 1) * _DAY_NS
        return ProfileSums(session, minutes_from_ns=self._clock() - kept_ns)

    def _limit(self, asked: int | None) -> int:
        return min(asked or self._limits.series_max, self._limits.series_max)

    def _labels(
        self, session: Session, columns: tuple[str, ...], selection: Selection, during: Time
    ) -> reads.LabelsWanted:
        condition, during = narrowed(session, selection, during)
        last_ns = min(during.end_ns, self._clock() + _AHEAD_NS)
        return reads.LabelsWanted(
            start_ns=max(during.start_ns, last_ns - _LABELS_NS),
            end_ns=during.end_ns,
            condition=condition,
            columns=columns,
            rows_max=self._limits.label_values_max,
        )

    def _spans(
        self, session: Session, query: ProfileQuery, columns: Sequence[str]
    ) -> pa.Table | None:
        """Read the spans, with these columns besides what their frames are made from."""
        trace_ids = query.selection.trace_ids
        if query.span_ids and trace_ids is None:
            trace_ids = traces_of_spans(
                session,
                query.span_ids,
                max(query.time.start_ns - _AROUND_SPAN_NS, 0),
                query.time.end_ns + _AROUND_SPAN_NS,
                IDS_MAX,
            )
        if trace_ids == ():
            return None
        wanted = SpansWanted(
            start_ns=query.time.start_ns,
            end_ns=query.time.end_ns,
            condition=query.selection.condition,
            trace_ids=trace_ids,
            counted=counted_by(query.kind),
            texts=tuple(dict.fromkeys((*FRAME_COLUMNS, *columns))),
            spans_max=self._limits.spans_max,
        )
        table = flame_spans(session, wanted)
        return once(table) if table is not None and table.num_rows else None

    def _groups(
        self,
        session: Session,
        query: ProfileQuery,
        columns: tuple[str, ...],
        steps: Steps,
        *,
        by_trace: bool = False,
    ) -> tuple[FlameSpans, Groups] | None:
        """Return the spans, and their values or those of traces, one by one."""
        table = self._spans(session, query, columns)
        if table is None:
            return None
        spans = spans_of(table)
        values = _values(spans, query.kind)
        words = [words_of(table[name]) for name in columns]
        spans = spans.valued(values)
        return spans, groups_of_spans(spans, words, steps, by_trace=by_trace)


def _values(spans: FlameSpans, kind: ProfileType) -> npt.NDArray[np.int64]:
    """Return what each span counts: of times, what it took itself."""
    if kind.measure is Measure.WALL:
        return wall(spans, lineage(spans))
    return work(spans, lineage(spans)) if kind.measure is Measure.WORK else spans.value


def _columns(labels: Sequence[str]) -> tuple[str, ...]:
    if len(labels) > DIMENSIONS_MAX:
        raise WrongQueryError(f"group by at most {DIMENSIONS_MAX} labels")
    return tuple(dict.fromkeys(label_column(name) for name in labels))


def _with_largest(
    heatmap: HeatmapSeries, spans: FlameSpans, groups: Groups, traces: dict[int, str]
) -> HeatmapSeries:
    """Return a heat map with the largest value of each step, where its trace's id is known."""
    shown: list[Exemplar | None] = []
    for number in heatmap.most:
        row = groups.row[number]
        trace_id = traces.get(int(spans.trace[row]))
        time_ms, span_id = int(spans.start_ns[row]) // _NS_PER_MS, span_id_of(int(spans.span[row]))
        value = int(groups.value[number])
        shown.append(Exemplar(time_ms, trace_id, span_id, value) if trace_id else None)
    return replace(heatmap, exemplars=tuple(shown))


def _with_exemplars(
    series: ProfileSeries, steps: Steps, most: dict[tuple[object, ...], reads.SpanThatCounts]
) -> ProfileSeries:
    step_of = dict(zip(steps.ends_ms().tolist(), range(steps.first, steps.last + 1), strict=True))
    found = [most.get((step_of[time_ms], *series.words)) for time_ms in series.times_ms]
    shown = tuple(
        Exemplar(one.start_ms, one.trace_id, one.span_id, one.value) if one else None
        for one in found
    )
    return replace(series, exemplars=shown)
