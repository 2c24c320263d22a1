"""Traces by what their spans say (TraceQL)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from clickhouse.conditions import Beyond
from clickhouse.reads import search as reads
from clickhouse.reads.session import ReadPool, Session
from clickhouse.reads.traces import time_of
from exporter.cancellation import Cancellation
from exporter.query.search import (
    ROOT_NOT_YET_RECEIVED,
    FoundSpan,
    FoundSpans,
    FoundTrace,
    FoundTraces,
    Search,
)
from exporter.query.traceql.ast import AnySets, Filter, Query, Select, filters, shown
from exporter.query.traceql.evaluate import FoundSet, Shown, Trace, computed, evaluate, needed
from exporter.query.traceql.fields import is_of_span
from exporter.query.traceql.places import Place, places
from exporter.spans.condition import EVERY_SPAN, AnyOf, Condition, Field, PlaceField

CANDIDATES_MAX = 5_000
"""Traces whose relations and stages are worked out for one search."""
_CANDIDATES_AT_ONCE = 500
_ORDERS = {
    "duration": reads.Order.DURATION,
    "cost": reads.Order.COST,
    "tokens": reads.Order.TOKENS,
}
# What an answer says of every span, or of its trace.
_ALWAYS_SHOWN = {"name", "span:name", "duration", "span:duration", "span:id", "trace:id"}


class SearchQuestions:
    """Finds traces that are stored."""

    def __init__(self, pool: ReadPool, is_content: Callable[[str], bool]) -> None:
        self._pool = pool
        self._is_content = is_content

    def search(self, asked: Search, cancellation: Cancellation) -> FoundTraces:
        """Return the traces found, in their order: the newest first if nothing else is asked."""
        with self._pool.session(cancellation) as session:
            beyond = Beyond(self._is_content, asked.start_ns, asked.end_ns)
            of = _Search(session, asked, beyond)
            found = of.simple() if _is_simple(asked.query) else of.worked_out()
            ids = list(found)
            services = _services(reads.services(session, ids, of.time_of(ids)))
        traces = [_trace(one, found[one], services[one]) for one in ids if one in services]
        return FoundTraces(traces=tuple(traces))


def _is_simple(query: Query) -> bool:
    """Return whether each span tells alone whether it is found."""
    return all(isinstance(stage, Select) for stage in query.stages) and (
        isinstance(query.spans, Filter)
        or (
            isinstance(query.spans, AnySets)
            and all(isinstance(each, Filter) for each in query.spans.sets)
        )
    )


class _Search:
    """One search in one session."""

    def __init__(self, session: Session, asked: Search, beyond: Beyond) -> None:
        self._session = session
        self._asked = asked
        self._beyond = beyond
        self._filters = filters(asked.query.spans)
        self._shown = {
            each.name: each
            for each in shown(asked.query)
            if each.name not in _ALWAYS_SHOWN and is_of_span(each)
        }
        self._places = {
            each.name: each.field
            for stage in asked.query.stages
            if isinstance(stage, Select)
            for each in stage.fields
            if isinstance(each.field, PlaceField)
        }
        self._wanted = reads.Wanted(
            conditions=tuple(each.condition for each in self._filters),
            needed=needed(asked.query),
            beyond=beyond,
            order=_ORDERS.get(asked.query.hints.get("top", ""), reads.Order.NEWEST),
        )
        self._timed: tuple[frozenset[str], tuple[int, int]] = frozenset(), (0, 0)

    def time_of(self, ids: Sequence[str]) -> tuple[int, int]:
        """Return from when to when the spans of traces began, asked once where it is known."""
        asked = frozenset(ids)
        if not asked <= self._timed[0]:
            self._timed = asked, time_of(self._session, ids)
        return self._timed[1]

    def simple(self) -> dict[str, list[FoundSpans]]:
        """Return what is found, by trace, where every span tells alone."""
        ids = reads.trace_ids(self._session, self._wanted, self._asked.traces)
        table = self._spans(ids, AnyOf(self._wanted.conditions), self._asked.spans)
        found: dict[str, list[FoundSpans]] = {one: [] for one in ids}
        members = dict(self._members(ids)) if self._places else {}
        for trace_id, rows in _by_trace(table):
            placed = self._placed(*members[trace_id]) if self._places else {}
            spans = tuple(self._span(row, placed) for row in rows)
            found[trace_id] = [FoundSpans(matched=rows[0]["Matched"], spans=spans)]
        return {one: sets for one, sets in found.items() if sets}

    def _members(self, ids: Sequence[str]) -> Iterator[tuple[str, tuple[list[str], list[str]]]]:
        """Yield the ids of every span of traces, and those of their parents."""
        if ids:
            table = reads.skeleton(self._session, ids, self.time_of(ids), (), self._beyond, {})
            for trace_id, rows in _by_trace(table):
                yield (
                    trace_id,
                    ([row["SpanId"] for row in rows], [row["ParentSpanId"] for row in rows]),
                )

    def _placed(self, ids: Sequence[str], parents: Sequence[str]) -> dict[str, Place]:
        return dict(zip(ids, places(ids, parents), strict=True))

    def _span(self, row: dict[str, Any], placed: Mapping[str, Place]) -> FoundSpan:
        values: list[tuple[str, Shown]] = [
            (each.key, (row[f"Text{at}"], row[f"Kind{at}"]))
            for at, each in enumerate(self._shown.values())
        ]
        values += [
            (name, (str(placed[row["SpanId"]][field]), "int"))
            for name, field in self._places.items()
        ]
        return FoundSpan(
            span_id=row["SpanId"],
            name=row["SpanName"],
            start_ns=row["StartNs"],
            duration_ns=row["Duration"],
            values=tuple(value for value in values if value[1][0] is not None),
        )

    def worked_out(self) -> dict[str, list[FoundSpans]]:
        """Return what is found, by trace, where it takes whole traces to tell."""
        found: dict[str, tuple[Trace, list[FoundSet]]] = {}
        for offset in range(0, CANDIDATES_MAX, _CANDIDATES_AT_ONCE):
            ids = reads.trace_ids(self._session, self._wanted, _CANDIDATES_AT_ONCE, offset)
            for trace_id, trace in self._traces(ids):
                if sets := evaluate(self._asked.query, trace):
                    found[trace_id] = trace, sets
                    if len(found) == self._asked.traces:
                        break
            if len(found) == self._asked.traces or len(ids) < _CANDIDATES_AT_ONCE:
                break
        return self._with_spans(found)

    def _traces(self, ids: Sequence[str]) -> Iterator[tuple[str, Trace]]:
        """Yield traces as they are evaluated, in the order of their ids."""
        if not ids:
            return
        fields = {each.name: each.field for each in computed(self._asked.query)}
        table = reads.skeleton(
            self._session,
            ids,
            self.time_of(ids),
            self._wanted.conditions,
            self._beyond,
            fields,
        )
        rows = dict(_by_trace(table))
        for one in ids:
            if one in rows:
                yield one, _evaluated(rows[one], len(self._filters), fields)

    def _with_spans(
        self, found: Mapping[str, tuple[Trace, list[FoundSet]]]
    ) -> dict[str, list[FoundSpans]]:
        most = self._asked.spans
        wanted = {
            trace.ids[at]
            for trace, sets in found.values()
            for each in sets
            for at in each.spans[:most]
        }
        table = self._spans(list(found), EVERY_SPAN, len(wanted), tuple(sorted(wanted)))
        placed = {
            trace_id: self._placed(trace.ids, trace.parents) if self._places else {}
            for trace_id, (trace, _) in found.items()
        }
        spans = {
            (trace_id, row["SpanId"]): self._span(row, placed[trace_id])
            for trace_id, rows in _by_trace(table)
            for row in rows
        }
        return {
            trace_id: [
                FoundSpans(
                    matched=len(each.spans),
                    spans=tuple(
                        spans[trace_id, trace.ids[at]]
                        for at in each.spans[:most]
                        if (trace_id, trace.ids[at]) in spans
                    ),
                    by=each.by,
                )
                for each in sets
            ]
            for trace_id, (trace, sets) in found.items()
        }

    def _spans(
        self, ids: Sequence[str], condition: Condition, most: int, span_ids: tuple[str, ...] = ()
    ) -> pa.Table:
        return reads.spans(
            self._session,
            reads.Traces(tuple(ids), self.time_of(ids), span_ids),
            condition,
            self._beyond,
            {each.name: each.field for each in self._shown.values()},
            most,
        )


def _by_trace(table: pa.Table) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        rows.setdefault(row["TraceId"], []).append(row)
    return iter(rows.items())


def _evaluated(rows: list[dict[str, Any]], met: int, fields: Mapping[str, Field]) -> Trace:
    return Trace(
        ids=[row["SpanId"] for row in rows],
        parents=[row["ParentSpanId"] for row in rows],
        met=[[bool(row[f"Met{at}"]) for row in rows] for at in range(met)],
        values={
            name: [(row[f"Text{at}"], row[f"Kind{at}"]) for row in rows]
            for at, name in enumerate(fields)
        },
    )


def _services(found: Sequence[reads.ServiceOfTrace]) -> dict[str, list[reads.ServiceOfTrace]]:
    by_trace: dict[str, list[reads.ServiceOfTrace]] = {}
    for each in found:
        by_trace.setdefault(each.trace_id, []).append(each)
    return by_trace


def _trace(
    trace_id: str, sets: list[FoundSpans], services: list[reads.ServiceOfTrace]
) -> FoundTrace:
    with_root = [each for each in services if each.has_root]
    root = min(with_root, key=lambda each: each.root_start_ns) if with_root else None
    first = root or min(services, key=lambda each: each.start_ns)
    return FoundTrace(
        trace_id=trace_id,
        root_service=first.service,
        root_name=ROOT_NOT_YET_RECEIVED if root is None else root.root_name,
        start_ns=min(each.start_ns for each in services),
        end_ns=max(each.end_ns for each in services),
        sets=tuple(sets),
        services={each.service: (each.spans, each.errors) for each in services},
    )
