"""A trace by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickhouse.reads.session import Session, named_sql
from exporter.errors import TooLargeError
from exporter.spans.schema import ARROW_TYPES, NANOSECONDS, SPAN_COLUMNS, Column

# A person waits for a trace, and all of it is held in memory.
TRACE_SPANS_MAX = 20_000

_IN_ORDER = [(column, "ascending") for column in ("Timestamp", "SpanId", "Again")]
_MAP = ARROW_TYPES["Map(LowCardinality(String), String)"]
_TYPES = {
    **{column.name: column.arrow for column in SPAN_COLUMNS},
    "ContentAttributes": _MAP,
    "ContentAttributeTypes": _MAP,
    "ContentAttributePositions": ARROW_TYPES["Array(UInt32)"],
}


def trace(
    session: Session,
    trace_id: str,
    content_keys: Sequence[str] | None = (),
    columns: Sequence[Column] = SPAN_COLUMNS,
    *,
    beside: Session | None = None,
) -> pa.Table | None:
    """Return the rows of a trace in order of time, None when there are none.

    A span that came twice is there twice, the one that counts first.

    Besides `columns`: ContentAttributes, ContentAttributeTypes and ContentAttributePositions, with
    the names of all content attributes but the values of `content_keys` only (None: of all). With
    `beside` the content is asked for at the same time. Raise TooLargeError.
    """
    asked = asked_of(session, trace_id)
    if asked is None:
        return None
    if beside is None:
        table = _spans(session, columns, asked)
        content = _content(session, content_keys, asked)
    else:
        with ThreadPoolExecutor(1, "content") as thread:
            coming = thread.submit(_content, beside, content_keys, asked)
            table = _spans(session, columns, asked)
            content = coming.result()
    if not table.num_rows:
        return None
    return _with_content(_declared(table), _declared(content))


def asked_of(session: Session, trace_id: str) -> dict[str, Any] | None:
    """Return what questions about a trace are asked with, None when it is not stored."""
    found = session.rows(named_sql("trace_range"), {"trace_id": trace_id, "limit": 1})
    if not found:
        return None
    (first_s, last_s) = found[0]
    limit = TRACE_SPANS_MAX + 1
    return {"trace_id": trace_id, "first_s": first_s, "last_s": last_s, "limit": limit}


def whole_trace(session: Session, sql: str, asked: Mapping[str, Any]) -> pa.Table:
    """Return a row for each span of a trace; raise TooLargeError where those are too many."""
    table = session.table(sql, asked)
    if table.num_rows > TRACE_SPANS_MAX:
        raise TooLargeError(f"the trace has more than {TRACE_SPANS_MAX} spans")
    return table


def time_of(session: Session, ids: Sequence[str]) -> tuple[int, int]:
    """Return from when to when the spans of traces began, nanoseconds; the end is after them."""
    if not ids:
        return 0, 0
    ((start_s, end_s),) = session.rows(
        named_sql("traces_range"), {"trace_ids": list(ids), "limit": 1}
    )
    return int(start_s) * NANOSECONDS, (int(end_s) + 1) * NANOSECONDS


def _spans(session: Session, columns: Sequence[Column], asked: Mapping[str, Any]) -> pa.Table:
    names = ", ".join(f"s.`{column.name}` AS `{column.name}`" for column in columns)
    table = whole_trace(session, named_sql("trace_by_id").replace("/* columns */", names), asked)
    # Sorted here, because for few rows that takes the store longer.
    order = pc.call_function("sort_indices", [table], pc.SortOptions(_IN_ORDER)).to_numpy()
    table = table.drop_columns(["Again"])
    in_order = bool((order == np.arange(len(order))).all())
    return table if in_order else table.take(pa.array(order))


def _content(session: Session, keys: Sequence[str] | None, asked: Mapping[str, Any]) -> pa.Table:
    if keys is None:
        return session.table(named_sql("trace_content"), asked)
    return session.table(named_sql("trace_content_of_keys"), {**asked, "keys": list(keys)})


def _with_content(table: pa.Table, content: pa.Table) -> pa.Table:
    """Return the spans with their content beside them, empty where a span has none."""
    of_span = pc.call_function(
        "index_in", [table["SpanId"]], pc.SetLookupOptions(content["SpanId"].combine_chunks())
    )
    # The row behind the last one is that of the spans without content.
    at = of_span.fill_null(content.num_rows)
    for name in content.column_names[1:]:
        empty = pa.array([[]], _TYPES[name])
        values = pa.chunked_array([*content[name].chunks, empty])
        table = table.append_column(name, values.combine_chunks().take(at.combine_chunks()))
    return table


def _declared(table: pa.Table) -> pa.Table:
    """Return the columns in their declared types, each in one piece."""
    return pa.table({name: _cast(table[name], _TYPES[name]) for name in table.column_names})


def _cast(column: pa.ChunkedArray, declared: pa.DataType) -> pa.Array:
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return whole if whole.type == declared else whole.cast(declared)
