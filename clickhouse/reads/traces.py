"""A trace by its id."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from clickhouse.reads.session import Session, named_sql
from exporter.errors import TooLargeError
from exporter.spans.schema import ARROW_TYPES, NANOSECONDS, SPAN_COLUMNS, Column

# A person waits for a trace, and all of it is held in memory.
TRACE_SPANS_MAX = 20_000

_MAP = ARROW_TYPES["Map(LowCardinality(String), String)"]
_TYPES = {
    **{column.name: column.arrow for column in SPAN_COLUMNS},
    "ContentAttributes": _MAP,
    "ContentAttributeTypes": _MAP,
    "ContentAttributePositions": ARROW_TYPES["Array(UInt32)"],
    "ResourceGroup": pa.string(),
    "ScopeGroup": pa.string(),
}


def trace(
    session: Session,
    trace_id: str,
    content_keys: Sequence[str] | None = (),
    columns: Sequence[Column] = SPAN_COLUMNS,
) -> pa.Table | None:
    """Return the rows of a trace in order of time, None when there are none.

    Besides `columns`: ContentAttributes, ContentAttributeTypes and ContentAttributePositions, with
    the names of all content attributes but the values of `content_keys` only (None: of all), and
    ResourceGroup and ScopeGroup, equal where the resource or scope is. Raise TooLargeError.
    """
    found = session.rows(named_sql("trace_range"), {"trace_id": trace_id, "limit": 1})
    if not found:
        return None
    (start_s, end_s) = found[0]
    names = ", ".join(f"s.`{column.name}` AS `{column.name}`" for column in columns)
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
    return pa.table(
        {name: table[name].combine_chunks().cast(_TYPES[name]) for name in table.column_names}
    )
