"""Flame graphs, series and heat maps of cost, tokens and time, and the labels they are chosen by."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from clickhouse.reads import profiles as reads
from clickhouse.reads.flame import (
    Counted,
    Counting,
    SpansWanted,
    flame_spans,
    traces_of_spans,
    traces_time,
)
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
from exporter.query.profiles.codes import Words, words_of
from exporter.query.profiles.request import (
    DIMENSIONS_MAX,
    IDS_MAX,
    TOKEN_TYPE,
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
    heatmaps_of,
    series_of,
)
from exporter.query.profiles.spans import FRAME_COLUMNS, numbers, once, span_key, spans_of
from exporter.query.selectors import LABELS
from exporter.spans.condition import AllOf, AnyOf, ColumnField, Compare, Comparison, Condition
from exporter.spans.schema import COST_COLUMNS, NANOSECONDS, TOKEN_KINDS

_DAY_NS = 86_400 * NANOSECONDS
_TIMES = frozenset({Measure.WALL, Measure.WORK})
_UNSPLIT = "unsplit"
# Groups of a series or of a flame graph of labels.
_ROWS_MAX = 200_000
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
        with self._pool.session(cancellation) as session:
            if dims and not query.span_ids and query.kind.measure not in _TIMES:
                return self._dimensions(session, query)
            texts = tuple(label_column(name) for name in dims) or FRAME_COLUMNS
            table = self._spans(session, query, (*FRAME_COLUMNS, *texts))
        cancellation.check()
        if table is None:
            return empty_tree()
        spans = spans_of(table)
        if query.span_ids:
            keys = [span_key(span_id) for span_id in query.span_ids]
            spans = subtree(spans, np.array(keys, np.uint64))
        if not dims:
            return flame_graph(spans, query.kind)
        if query.span_ids:
            raise WrongQueryError("a span's flame graph cannot be grouped by labels")
        words = [words_of(table[name]) for name in texts]
        values = _values(spans, query.kind)
        return dimensions([w.codes for w in words], [w.words for w in words], values)

    def series(self, query: SeriesQuery, cancellation: Cancellation) -> list[ProfileSeries]:
        """Return the values over time, the largest series first."""
        steps = Steps(query.profile.time, query.step_ns)
        columns = _columns(query.group_by)
        limit = min(query.limit or self._limits.series_max, self._limits.series_max)
        with self._pool.session(cancellation) as session:
            if query.profile.kind.measure in _TIMES:
                groups = self._groups_of_spans(session, query.profile, columns, steps)
            else:
                groups = self._groups(session, query.profile, columns, steps)
            if groups is None:
                return []
            found = series_of(groups, steps, average=query.average, limit=limit)
            if query.with_exemplars and query.profile.kind.measure not in _TIMES:
                wanted = self._sums_wanted(session, query.profile, columns, steps.step_ns)
                most = reads.exemplars(session, wanted) if wanted else {}
                found = [_with_exemplars(each, steps, most) for each in found]
        return found

    def heatmap(
        self, query: SeriesQuery, cancellation: Cancellation, *, by_span: bool
    ) -> list[HeatmapSeries]:
        """Return how the values of spans, or of whole traces, are spread over time."""
        steps = Steps(query.profile.time, query.step_ns)
        columns = _columns(query.group_by)
        with self._pool.session(cancellation) as session:
            groups = self._groups_of_spans(
                session, query.profile, columns, steps, by_trace=not by_span
            )
        limit = min(query.limit or self._limits.series_max, self._limits.series_max)
        return heatmaps_of(groups, steps, limit=limit) if groups else []

    def label_names(
        self, selection: Selection, during: Time, cancellation: Cancellation
    ) -> list[str]:
        """Return the labels that some selected span has."""
        with self._pool.session(cancellation) as session:
            condition, during = self._narrowed(session, selection, during)
            wanted = reads.LabelsWanted(
                start_ns=during.start_ns,
                end_ns=during.end_ns,
                condition=condition,
                columns=tuple(LABELS.values()),
                rows_max=1,
            )
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
        with self._pool.session(cancellation) as session:
            condition, during = self._narrowed(session, selection, during)
            wanted = reads.LabelsWanted(
                start_ns=during.start_ns,
                end_ns=during.end_ns,
                condition=condition,
                columns=tuple(label_column(name) for name in names),
                rows_max=self._limits.label_values_max,
            )
            return reads.label_sets(session, wanted)

    def stored_time(self, cancellation: Cancellation) -> tuple[int, int] | None:
        """Return when the first and the last trace began, in nanoseconds, None: there is none."""
        with self._pool.session(cancellation) as session:
            return reads.stored_time(session)

    # From spans -----------------------------------------------------------------------------

    def _spans(
        self, session: Session, query: ProfileQuery, texts: Sequence[str]
    ) -> pa.Table | None:
        selection = query.selection
        trace_ids = selection.trace_ids
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
            condition=selection.condition,
            trace_ids=trace_ids,
            counted=_counted(query.kind),
            texts=tuple(dict.fromkeys(texts)),
            spans_max=self._limits.spans_max,
        )
        table = flame_spans(session, wanted)
        return once(table) if table is not None and table.num_rows else None

    def _groups_of_spans(
        self,
        session: Session,
        query: ProfileQuery,
        columns: tuple[str, ...],
        steps: Steps,
        *,
        by_trace: bool = False,
    ) -> Groups | None:
        table = self._spans(session, query, (*FRAME_COLUMNS, *columns))
        if table is None:
            return None
        spans = spans_of(table)
        values = _values(spans, query.kind)
        counts = np.flatnonzero(
            (values > 0)
            & (spans.start_ns >= query.time.start_ns)
            & (spans.start_ns < query.time.end_ns)
        )
        words = [words_of(table[name]) for name in columns]
        if by_trace:
            return _by_trace(spans.take(counts), values[counts], words, counts, steps)
        return Groups(
            tuple(Words(w.codes[counts], w.words) for w in words),
            steps.of(spans.start_ns[counts]),
            values[counts],
            np.ones(len(counts), np.int64),
        )

    # From sums ------------------------------------------------------------------------------

    def _dimensions(self, session: Session, query: ProfileQuery) -> FlameTree:
        dims = query.selection.dimensions
        columns = _columns([name for name in dims if name != TOKEN_TYPE])
        counted, names = _counted_by_type(query.kind, split=TOKEN_TYPE in dims)
        wanted = self._sums_wanted(session, query, columns, None, counted)
        if wanted is None:
            return empty_tree()
        table = self._summed(session, wanted)
        rows, kinds = table.num_rows, len(names)
        by_kind = np.stack([numbers(table, f"Sum{n}") for n in range(len(counted))])
        if names[-1] == _UNSPLIT:
            # The last sum is the whole; what its parts do not explain was reported as one sum.
            by_kind[-1] -= by_kind[:-1].sum(axis=0)
        words: list[Words] = []
        for name in dims:
            if name == TOKEN_TYPE:
                codes = np.repeat(np.arange(kinds, dtype=np.int32), rows)
                words.append(Words(codes, tuple(names)))
            else:
                column = words_of(table[label_column(name)])
                words.append(Words(np.tile(column.codes, kinds), column.words))
        return dimensions([w.codes for w in words], [w.words for w in words], by_kind.ravel())

    def _groups(
        self, session: Session, query: ProfileQuery, columns: tuple[str, ...], steps: Steps
    ) -> Groups | None:
        wanted = self._sums_wanted(session, query, columns, steps.step_ns)
        if wanted is None:
            return None
        table = self._summed(session, wanted)
        return Groups(
            tuple(words_of(table[name]) for name in columns),
            numbers(table, "Step"),
            numbers(table, "Sum0"),
            numbers(table, "Spans"),
        )

    def _summed(self, session: Session, wanted: reads.SumsWanted) -> pa.Table:
        """Read whole minutes from the usage by minute, where it knows, and the rest from spans."""
        minute = reads.MINUTE_NS
        first, last = -(-wanted.start_ns // minute) * minute, wanted.end_ns // minute * minute
        oldest = self._clock() - (self._limits.minutes_days - 1) * _DAY_NS
        if not reads.has_minutes(wanted) or first >= last or first < oldest:
            return reads.sums(session, wanted)
        parts = [reads.minute_sums(session, _during(wanted, first, last))]
        for start, end in ((wanted.start_ns, first), (last, wanted.end_ns)):
            if start < end:
                parts.append(reads.sums(session, _during(wanted, start, end)))
        return pa.concat_tables(parts, promote_options="permissive")

    def _sums_wanted(
        self,
        session: Session,
        query: ProfileQuery,
        columns: tuple[str, ...],
        step_ns: int | None,
        counted: tuple[Counted, ...] = (),
    ) -> reads.SumsWanted | None:
        if query.span_ids or query.selection.trace_ids == ():
            return None
        condition, during = self._narrowed(session, query.selection, query.time)
        # A series shows its time, also of a trace that is known to have run at another.
        during = query.time if step_ns else during
        return reads.SumsWanted(
            start_ns=during.start_ns,
            end_ns=during.end_ns,
            condition=condition,
            counted=counted or (_counted(query.kind),),
            columns=columns,
            step_ns=step_ns,
            rows_max=_ROWS_MAX,
        )

    def _narrowed(
        self, session: Session, selection: Selection, during: Time
    ) -> tuple[Condition, Time]:
        """Return the condition with the traces in it, and when they ran."""
        ids = selection.trace_ids
        if ids is None:
            return selection.condition, during
        ran = traces_time(session, ids)
        these = AnyOf(tuple(Compare(ColumnField("TraceId"), Comparison.EQUAL, one) for one in ids))
        return AllOf((these, selection.condition)), Time(*ran) if ran else during


def _during(wanted: reads.SumsWanted, start_ns: int, end_ns: int) -> reads.SumsWanted:
    return replace(wanted, start_ns=start_ns, end_ns=end_ns)


def _counted(kind: ProfileType) -> Counted:
    """Say what a span counts for a profile type; for times, whether it counts at all."""
    match kind.measure:
        case Measure.COST | Measure.TOKENS:
            return Counted(Counting.USAGE, kind.columns)
        case Measure.CALLS:
            return Counted(Counting.CALLS)
        case Measure.ERRORS:
            return Counted(Counting.FAILURES)
        case Measure.WALL | Measure.WORK:
            return Counted(Counting.SPANS)


def _counted_by_type(kind: ProfileType, *, split: bool) -> tuple[tuple[Counted, ...], list[str]]:
    """Return what is added up, and the token type of each sum."""
    if not split:
        return (_counted(kind),), [""]
    if kind.measure is Measure.COST:
        columns, names = list(COST_COLUMNS.values()), list(COST_COLUMNS)
        whole = _counted(kind)
        parts = (Counted(Counting.USAGE, (column,)) for column in columns)
        return (*parts, whole), [*names, _UNSPLIT]
    kinds = [each for each in TOKEN_KINDS if each.column in kind.columns]
    return tuple(Counted(Counting.USAGE, (k.column,)) for k in kinds), [k.name for k in kinds]


def _values(spans: FlameSpans, kind: ProfileType) -> np.ndarray:
    """Return what each span counts: of times, what it took itself."""
    if kind.measure is Measure.WALL:
        return wall(spans, lineage(spans))
    return work(spans, lineage(spans)) if kind.measure is Measure.WORK else spans.value


def _columns(labels: Sequence[str]) -> tuple[str, ...]:
    if len(labels) > DIMENSIONS_MAX:
        raise WrongQueryError(f"group by at most {DIMENSIONS_MAX} labels")
    return tuple(dict.fromkeys(label_column(name) for name in labels))


def _by_trace(
    spans: FlameSpans, values: np.ndarray, words: list[Words], rows: np.ndarray, steps: Steps
) -> Groups:
    """Add up the values of each trace; it belongs to the groups and the step of its first span."""
    order = np.argsort(spans.start_ns, kind="stable")
    _, first, number = np.unique(spans.trace[order], return_index=True, return_inverse=True)
    total = np.zeros(len(first), np.int64)
    np.add.at(total, number, values[order])
    own = order[first]
    return Groups(
        tuple(Words(w.codes[rows[own]], w.words) for w in words),
        steps.of(spans.start_ns[own]),
        total,
        np.ones(len(first), np.int64),
    )


def _with_exemplars(
    series: ProfileSeries, steps: Steps, most: dict[tuple[object, ...], reads.SpanThatCounts]
) -> ProfileSeries:
    ends = dict(zip(steps.ends_ms().tolist(), range(steps.first, steps.last + 1), strict=True))
    found = [most.get((ends[time_ms], *series.words)) for time_ms in series.times_ms]
    shown = tuple(
        Exemplar(one.start_ms, one.trace_id, one.span_id, one.value) if one else None
        for one in found
    )
    return ProfileSeries(series.words, series.times_ms, series.values, shown)
