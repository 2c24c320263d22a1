"""What spans count, added up in the store: for series, and for flame graphs of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from clickhouse.reads import profiles as reads
from clickhouse.reads.flame import Counted, Counting, traces_time
from clickhouse.reads.session import Session
from exporter.query.flame.build import dimensions
from exporter.query.flame.profile_types import Measure, ProfileType
from exporter.query.flame.tree import FlameTree, empty_tree
from exporter.query.profiles.codes import Words, words_of
from exporter.query.profiles.request import (
    TOKEN_TYPE,
    ProfileQuery,
    Selection,
    Time,
    label_column,
    of_traces,
)
from exporter.query.profiles.series import Groups, Steps
from exporter.query.profiles.spans import numbers
from exporter.spans.condition import AllOf, Condition
from exporter.spans.schema import COST_COLUMNS, TOKEN_KINDS

_UNSPLIT = "unsplit"
# Groups of a series or of a flame graph of labels, all of them held in memory.
_ROWS_MAX = 200_000


class ProfileSums:
    """Asks in one session of the store. Usage by minute is trusted from `minutes_from_ns` on."""

    def __init__(self, session: Session, *, minutes_from_ns: int) -> None:
        self._session = session
        self._minutes_from_ns = minutes_from_ns

    def flame_graph(self, query: ProfileQuery) -> FlameTree:
        """Return the flame graph of the dimensions that the query names."""
        dims = query.selection.dimensions
        names = [label_column(name) for name in dims if name != TOKEN_TYPE]
        counted, types = _counted_by_type(query.kind, split=TOKEN_TYPE in dims)
        condition, during = narrowed(self._session, query.selection, query.time)
        if query.selection.trace_ids == ():
            return empty_tree()
        table = self._summed(
            reads.SumsWanted(
                start_ns=during.start_ns,
                end_ns=during.end_ns,
                condition=condition,
                counted=counted,
                columns=tuple(names),
                rows_max=_ROWS_MAX,
            )
        )
        sums = np.stack([numbers(table, f"Sum{n}") for n in range(len(counted))])
        if types[-1] == _UNSPLIT:
            # The last sum is the whole; what its parts do not explain was reported as one sum.
            sums[-1] -= sums[:-1].sum(axis=0)
        words = [_dimension(name, table, types) for name in dims]
        return dimensions([w.codes for w in words], [w.words for w in words], sums.ravel())

    def groups(self, query: ProfileQuery, columns: tuple[str, ...], steps: Steps) -> Groups:
        """Return what was counted in each step."""
        table = self._summed(_of_steps(query, columns, steps))
        return Groups(
            tuple(words_of(table[name]) for name in columns),
            numbers(table, "Step"),
            numbers(table, "Sum0"),
            numbers(table, "Spans"),
        )

    def exemplars(
        self, query: ProfileQuery, columns: tuple[str, ...], steps: Steps
    ) -> dict[tuple[object, ...], reads.SpanThatCounts]:
        """Return the span that counts most of each step and group."""
        return reads.exemplars(self._session, _of_steps(query, columns, steps))

    def _summed(self, wanted: reads.SumsWanted) -> pa.Table:
        """Read whole minutes from the usage by minute, where it knows, and the rest from spans."""
        minute = reads.MINUTE_NS
        first, last = -(-wanted.start_ns // minute) * minute, wanted.end_ns // minute * minute
        if not reads.has_minutes(wanted) or first >= last or first < self._minutes_from_ns:
            return reads.sums(self._session, wanted)
        parts = [reads.minute_sums(self._session, replace(wanted, start_ns=first, end_ns=last))]
        for start, end in ((wanted.start_ns, first), (last, wanted.end_ns)):
            if start < end:
                edge = replace(wanted, start_ns=start, end_ns=end)
                parts.append(reads.sums(self._session, edge))
        return pa.concat_tables(parts, promote_options="permissive")


def counted_by(kind: ProfileType) -> Counted:
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


def narrowed(session: Session, selection: Selection, during: Time) -> tuple[Condition, Time]:
    """Return the condition with the traces in it, and when they ran."""
    if selection.trace_ids is None:
        return selection.condition, during
    ran = traces_time(session, selection.trace_ids)
    condition = AllOf((of_traces(selection), selection.condition))
    return condition, Time(*ran) if ran else during


def _of_steps(query: ProfileQuery, columns: tuple[str, ...], steps: Steps) -> reads.SumsWanted:
    """Ask for what was counted in each step; a series shows its own time, of any trace."""
    return reads.SumsWanted(
        start_ns=query.time.start_ns,
        end_ns=query.time.end_ns,
        condition=AllOf((of_traces(query.selection), query.selection.condition)),
        counted=(counted_by(query.kind),),
        columns=columns,
        step_ns=steps.step_ns,
        rows_max=_ROWS_MAX,
    )


def _counted_by_type(
    kind: ProfileType, *, split: bool
) -> tuple[tuple[Counted, ...], Sequence[str]]:
    """Return what is added up, and the token type of each sum."""
    if not split:
        return (counted_by(kind),), [""]
    if kind.measure is Measure.COST:
        parts = (Counted(Counting.USAGE, (column,)) for column in COST_COLUMNS.values())
        return (*parts, counted_by(kind)), [*COST_COLUMNS, _UNSPLIT]
    kinds = [each for each in TOKEN_KINDS if each.column in kind.columns]
    return tuple(Counted(Counting.USAGE, (k.column,)) for k in kinds), [k.name for k in kinds]


def _dimension(name: str, table: pa.Table, types: Sequence[str]) -> Words:
    """Return the words of a dimension for the sums of all types, one type after the other."""
    if name == TOKEN_TYPE:
        codes = np.arange(len(types), dtype=np.int32)
        return Words(np.repeat(codes, table.num_rows), tuple(types))
    column = words_of(table[label_column(name)])
    return Words(np.tile(column.codes, len(types)), column.words)
