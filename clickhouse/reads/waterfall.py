"""The spans of a trace as a waterfall shows them: without attributes and content."""

from __future__ import annotations

from typing import Any

from clickhouse.reads.lists import TOKENS_SQL
from clickhouse.reads.session import Session, named_sql
from clickhouse.reads.traces import asked_of, whole_trace


def waterfall_spans(session: Session, trace_id: str) -> list[dict[str, Any]]:
    """Return the spans of a trace by their start, none when it is not stored.

    Raise TooLargeError.
    """
    asked = asked_of(session, trace_id)
    if asked is None:
        return []
    sql = named_sql("trace_waterfall").replace("/* tokens */", TOKENS_SQL)
    return whole_trace(session, sql, asked).to_pylist()
