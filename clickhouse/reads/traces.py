"""A trace by its id."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from clickhouse.reads.session import Session, named_sql
from exporter.errors import TooLargeError
from exporter.spans.schema import ARROW_TYPES, NANOSECONDS, SPAN_COLUMNS

# A person waits for a trace, and all of it is held in memory.
TRACE_SPANS_MAX = 20_000

_TYPES = {column.name: column.arrow for column in SPAN_COLUMNS}


def trace(
    session: Session, trace_id: str, content_keys: Sequence[str] | None = ()
) -> pa.Table | None:
    """Return the rows of a trace in order of time, None when there are none.

    Besides the declared columns: ContentAttributes and ContentAttributeTypes, with the names of all
    content attributes but the values of `content_keys` only (None: of all). Raise TooLargeError.
    """
    found = session.rows(named_sql("trace_range"), {"trace_id": trace_id, "limit": 1})
    if not found:
        return None
    (start_s, end_s) = found[0]
    names = ", ".join(f"s.`{column.name}` AS `{column.name}`" for column in SPAN_COLUMNS)
    table = session.table(
        named_sql("trace_by_id").replace("/* columns */", names),
        {
            "trace_id": trace_id,
            "start_ns": start_s * NANOSECONDS,
            "end_ns": (end_s + 1) * NANOSECONDS,
            "content_keys": list(content_keys or ()),
            "all_content": content_keys is None,
            "limit": TRACE_SPANS_MAX + 1,
        },
    )
    if table.num_rows > TRACE_SPANS_MAX:
        raise TooLargeError(f"the trace has more than {TRACE_SPANS_MAX} spans")
    return _declared(table) if table.num_rows else None


def _declared(table: pa.Table) -> pa.Table:
    """Return the columns in their declared types."""
    content = ARROW_TYPES["Map(LowCardinality(String), String)"]
    return pa.table(
        {
            name: table[name].combine_chunks().cast(_TYPES.get(name, content))
            for name in table.column_names
        }
    )
