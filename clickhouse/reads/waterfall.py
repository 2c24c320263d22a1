"""The spans of a trace as a waterfall shows them: without attributes and content."""

from __future__ import annotations

from typing import Any

from clickhouse.reads.lists import TOKENS_SQL
from clickhouse.reads.session import Session, named_sql
from clickhouse.reads.traces import TRACE_SPANS_MAX
from exporter.errors import TooLargeError
from exporter.spans.schema import NANOSECONDS


def waterfall_spans(session: Session, trace_id: str) -> list[dict[str, Any]]:
    """Return the spans of a trace by their start, none when it is not stored.

    Raise TooLargeError.
    """
    found = session.rows(named_sql("trace_range"), {"trace_id": trace_id, "limit": 1})
    if not found:
        return []
    (start_s, end_s) = found[0]
    table = session.table(
        named_sql("trace_waterfall").replace("/* tokens */", TOKENS_SQL),
        {
            "trace_id": trace_id,
            "start_ns": start_s * NANOSECONDS,
            "end_ns": (end_s + 1) * NANOSECONDS,
            "limit": TRACE_SPANS_MAX + 1,
        },
    )
    if table.num_rows > TRACE_SPANS_MAX:
        raise TooLargeError(f"the trace has more than {TRACE_SPANS_MAX} spans")
    return table.to_pylist()
