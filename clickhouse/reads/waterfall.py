"""The spans of a trace as a waterfall shows them: without attributes and content."""

from __future__ import annotations

from typing import Any

from clickhouse.reads.lists import TOKENS_SQL
from clickhouse.reads.session import Session, named_sql
from clickhouse.reads.traces import TRACE_SPANS_MAX, asked_of
from exporter.errors import TooLargeError


def waterfall_spans(session: Session, trace_id: str) -> list[dict[str, Any]]:
    """Return the spans of a trace by their start, none when it is not stored.

    Raise TooLargeError.
    """
    asked = asked_of(session, trace_id)
    if asked is None:
        return []
    table = session.table(named_sql("trace_waterfall").replace("/* tokens */", TOKENS_SQL), asked)
    if table.num_rows > TRACE_SPANS_MAX:
        raise TooLargeError(f"the trace has more than {TRACE_SPANS_MAX} spans")
    return table.to_pylist()
