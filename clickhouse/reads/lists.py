"""Lists of traces, errors and values: narrow columns first, details only of the rows shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clickhouse.conditions import where
from clickhouse.reads.pages import Key, behind, marked
from clickhouse.reads.session import Session, named_sql
from clickhouse.reads.traces import time_of
from exporter.spans.condition import EVERY_SPAN, Condition
from exporter.spans.schema import TOKEN_KINDS

TOKENS_SQL = " + ".join(f"ifNull({kind.column}, 0)" for kind in TOKEN_KINDS)
"""All tokens of a span."""

_OWN = "UsageRole = 'own'"
_FAILED = "(Status = 'error' OR StatusCode = 'Error')"
_ELAPSED = (
    "max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)) "
    "- min(toUnixTimestamp64Nano(Timestamp))"
)
TRACE_ORDERS: dict[str, tuple[str, str, int]] = {
    "cost": ("ifNull(sum(CostUsd), 0) * 1000000000", f"{_OWN} AND isNotNull(CostUsd)", -1),
    "tokens": (f"sum({TOKENS_SQL})", _OWN, -1),
    "duration": (
        _ELAPSED,
        "1",
        -1,
    ),
    "errors": ("uniqExact(SpanId)", _FAILED, 0),
    "time": ("min(toUnixTimestamp64Nano(Timestamp))", "1", -1),
}
"""What traces can be ordered by, the largest first: the figure, the spans that it needs, and what
it must exceed. `cost` and `tokens` leave out traces without any call, estimates count too."""

_ERROR_KEYS = ("Outcome", "ErrorType", "Status", "ServiceName", "Provider", "Model")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAsked:
    """Which rows: of spans that began in a time and meet a condition, so many, behind another."""

    start_ns: int
    end_ns: int
    condition: Condition = EVERY_SPAN
    limit: int
    after: Key | None = None


def top_traces(session: Session, asked: ListAsked, order: str) -> list[dict[str, Any]]:
    """Return TraceId and OrderValue of the first traces in an order."""
    figure, needed, above = TRACE_ORDERS[order]
    clause = where(asked.condition)
    chosen = marked(named_sql("chosen_traces"), condition=clause.sql)
    after, values = behind(asked.after, "OrderValue", ("TraceId",))
    sql = marked(
        named_sql("top_traces"),
        order=figure,
        needed=needed,
        chosen="1" if asked.condition == EVERY_SPAN else chosen,
        after=after,
    )
    parameters = _parameters(asked) | clause.parameters | values | {"above": above}
    return session.table(sql, parameters).to_pylist()


def trace_figures(
    session: Session, asked: ListAsked, trace_ids: list[str]
) -> dict[str, dict[str, Any]]:
    """Return what a list shows of each trace, by its id."""
    sql = named_sql("trace_figures").replace("/* tokens */", TOKENS_SQL)
    first_ns, last_ns = time_of(session, trace_ids)
    within = {
        "start_ns": max(first_ns, asked.start_ns),
        "end_ns": min(last_ns, asked.end_ns),
    }
    found = session.table(sql, _parameters(asked) | within | {"trace_ids": trace_ids})
    return {row["TraceId"]: row for row in found.to_pylist()}


def errors(session: Session, asked: ListAsked) -> tuple[list[dict[str, Any]], list[Key]]:
    """Return how calls ended badly, the most frequent first, and the key of each row."""
    clause = where(asked.condition)
    after, values = behind(asked.after, "OrderValue", _ERROR_KEYS)
    sql = marked(named_sql("errors"), condition=clause.sql, after=after)
    rows = session.table(sql, _parameters(asked) | clause.parameters | values).to_pylist()
    return rows, [(row["OrderValue"], *(row[name] for name in _ERROR_KEYS)) for row in rows]


def values_of(
    session: Session, asked: ListAsked, column: str, search: str, after: str
) -> list[dict[str, Any]]:
    """Return the values of a column and how many spans have each, in the alphabet's order."""
    clause = where(asked.condition)
    sql = marked(named_sql("dimension_values"), column=column, condition=clause.sql)
    parameters = _parameters(asked) | clause.parameters | {"search": search, "after": after}
    return session.table(sql, parameters).to_pylist()


def _parameters(asked: ListAsked) -> dict[str, Any]:
    return {"start_ns": asked.start_ns, "end_ns": asked.end_ns, "limit": asked.limit}
