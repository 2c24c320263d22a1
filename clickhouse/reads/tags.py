"""What recent spans have: keys of attributes and values of fields, for those who write a query."""

from __future__ import annotations

from clickhouse.columns import Names
from clickhouse.conditions import Beyond, clause
from clickhouse.reads.session import Session, named_sql
from clickhouse.values import kind_sql, text_sql
from exporter.spans.condition import Condition, Field, Scope

KEYS_OF_SPANS_MAX = 20_000
"""Newest spans whose keys are looked at: an editor waits for them at every key stroke."""
VALUES_OF_SPANS_MAX = 100_000
_VALUE_CHARS_MAX = 1000


def keys(session: Session, start_ns: int, end_ns: int) -> dict[Scope, list[str]]:
    """Return the keys of the newest spans in a time, sorted."""
    ((span, resource, scope, events, links),) = session.rows(
        named_sql("recent_keys"),
        {"start_ns": start_ns, "end_ns": end_ns, "rows": KEYS_OF_SPANS_MAX, "limit": 1},
    )
    return {
        Scope.RESOURCE: sorted(resource),
        Scope.SPAN: sorted(span),
        Scope.EVENT: sorted(events),
        Scope.LINK: sorted(links),
        Scope.INSTRUMENTATION: sorted(scope),
    }


def values(
    session: Session, field: Field, condition: Condition, beyond: Beyond, limit: int
) -> list[tuple[str, str]]:
    """Return text and kind of the values among the newest spans, the most frequent first."""
    names = Names()
    sql = (
        named_sql("recent_values")
        .replace("/* text */", text_sql(field, names))
        .replace("/* kind */", kind_sql(field, names))
        .replace("/* condition */", clause(condition, names, beyond))
    )
    rows = session.rows(
        sql,
        names.values
        | {
            "start_ns": beyond.start_ns,
            "end_ns": beyond.end_ns,
            "rows": VALUES_OF_SPANS_MAX,
            "text_max": _VALUE_CHARS_MAX,
            "limit": limit,
        },
    )
    return [(str(text), str(kind)) for text, kind in rows]
