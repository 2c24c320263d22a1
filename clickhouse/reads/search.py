"""Traces by what their spans say: which they are first, then only what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from clickhouse.columns import Names, column_sql
from clickhouse.conditions import Beyond, clause
from clickhouse.reads.session import Session, named_sql
from clickhouse.values import kind_sql, text_sql
from exporter.errors import WrongQueryError
from exporter.spans.condition import AnyOf, Condition, Field
from exporter.spans.schema import NANOSECONDS

# A search looks at the newest spans first, and further back until it has found enough.
_FIRST_NS = 300 * NANOSECONDS
_WIDER = 8
SKELETON_SPANS_MAX = 300_000
"""Spans that relations and stages are computed of at once, about 200 bytes each."""
_SERVICES_MAX = 100_000
SPANS_SHOWN_MAX = 100_000
"""Spans of all the traces that an answer shows."""


class Order(StrEnum):
    """Which traces come first: those with the newest, longest, dearest ... spans asked for."""

    NEWEST = "max(Timestamp) DESC"
    DURATION = "max(Duration) DESC"
    COST = "sumIf(CostUsd, UsageRole = 'own') DESC NULLS LAST"
    TOKENS = f"sumIf({column_sql('TokensTotal')}, UsageRole = 'own') DESC NULLS LAST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which traces: those that have spans of some conditions in a time.

    `needed`: sets of positions in `conditions`; a trace needs spans of all of one set.
    """

    conditions: tuple[Condition, ...]
    needed: tuple[frozenset[int], ...]
    beyond: Beyond
    order: Order = Order.NEWEST


def trace_ids(session: Session, wanted: Wanted, limit: int, offset: int = 0) -> list[str]:
    """Return at most `limit` traces in the order wanted."""
    beyond = wanted.beyond
    span_ns = _FIRST_NS
    # The newest spans are enough for the newest traces, if there are enough of them.
    while wanted.order is Order.NEWEST and not offset and span_ns < beyond.end_ns - beyond.start_ns:
        recent = _ids(session, wanted, beyond.end_ns - span_ns, limit, 0)
        if len(recent) == limit:
            return recent
        span_ns *= _WIDER
    return _ids(session, wanted, beyond.start_ns, limit, offset)


def _ids(session: Session, wanted: Wanted, start_ns: int, limit: int, offset: int) -> list[str]:
    names = Names()
    beyond = Beyond(wanted.beyond.is_content, start_ns, wanted.beyond.end_ns)
    every = [clause(each, names, beyond) for each in wanted.conditions]
    sets = [" AND ".join(f"countIf({every[at]}) > 0" for at in sorted(s)) for s in wanted.needed]
    needs = all(len(each) > 1 for each in wanted.needed)
    rows = session.rows(
        named_sql("search_traces")
        .replace("/* any */", clause(AnyOf(wanted.conditions), names, beyond))
        .replace("/* all */", " OR ".join(f"({each})" for each in sets) if needs else "1")
        .replace("/* order */", wanted.order.value),
        names.values
        | {"start_ns": start_ns, "end_ns": beyond.end_ns, "limit": limit, "offset": offset},
    )
    return [str(trace_id) for (trace_id,) in rows]


@dataclass(frozen=True, slots=True)
class ServiceOfTrace:
    """What one service did in a trace."""

    trace_id: str
    service: str
    spans: int
    errors: int
    start_ns: int
    end_ns: int
    has_root: bool
    root_name: str
    root_start_ns: int


def services(
    session: Session, ids: Sequence[str], time_ns: tuple[int, int]
) -> list[ServiceOfTrace]:
    """Return what each service did in each of some traces."""
    rows = session.rows(
        named_sql("search_services"), _traces(ids, time_ns) | {"limit": _SERVICES_MAX}
    )
    return [ServiceOfTrace(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Traces:
    """Some traces, from when to when their spans began, and which spans of them (empty: all)."""

    ids: tuple[str, ...]
    time_ns: tuple[int, int]
    span_ids: tuple[str, ...] = ()


def spans(  # noqa: PLR0913, PLR0917 - each is one part of the question
    session: Session,
    traces: Traces,
    condition: Condition,
    beyond: Beyond,
    shown: Mapping[str, Field],
    spans_max: int,
) -> pa.Table:
    """Return the spans of traces that meet a condition, at most `spans_max` of each.

    Columns TraceId, SpanId, SpanName, StartNs, Duration, Matched (how many meet it, in their
    trace), and for each of `shown` its text and its kind: `Text0`, `Kind0`, ...
    """
    names = Names()
    (first_ns, last_ns) = traces.time_ns
    within = max(first_ns, beyond.start_ns), min(last_ns, beyond.end_ns)
    return session.table(
        named_sql("search_spans")
        .replace("/* condition */", clause(condition, names, beyond))
        .replace("/* values */", _values(shown, names)),
        _traces(traces.ids, within)
        | names.values
        | {
            "span_ids": list(traces.span_ids),
            "spans": spans_max,
            "limit": SPANS_SHOWN_MAX,
        },
    )


def skeleton(  # noqa: PLR0913, PLR0917 - each is one part of the question
    session: Session,
    ids: Sequence[str],
    time_ns: tuple[int, int],
    conditions: Sequence[Condition],
    beyond: Beyond,
    computed: Mapping[str, Field],
) -> pa.Table:
    """Return every span of some traces, each once; raise WrongQueryError for too many.

    Columns TraceId, SpanId, ParentSpanId, `Met0`, ... for the conditions, `Text0` and `Kind0`, ...
    """
    names = Names()
    met = "".join(
        f",\n    Asked AND {clause(each, names, beyond)} AS Met{at}"
        for at, each in enumerate(conditions)
    )
    table = session.table(
        named_sql("search_skeleton").replace("/* values */", met + _values(computed, names)),
        _traces(ids, time_ns)
        | names.values
        | {"start_ns": beyond.start_ns, "end_ns": beyond.end_ns, "limit": SKELETON_SPANS_MAX + 1},
    )
    if table.num_rows > SKELETON_SPANS_MAX:
        raise WrongQueryError(
            f"the traces in question have more than {SKELETON_SPANS_MAX} spans: ask for fewer"
        )
    return table


def _values(shown: Mapping[str, Field], names: Names) -> str:
    return "".join(
        f",\n    {text_sql(each, names)} AS Text{at}, {kind_sql(each, names)} AS Kind{at}"
        for at, each in enumerate(shown.values())
    )


def _traces(ids: Sequence[str], time_ns: tuple[int, int]) -> dict[str, Any]:
    return {"trace_ids": list(ids), "first_ns": time_ns[0], "last_ns": time_ns[1]}
