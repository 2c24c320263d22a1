"""The spans of stored rows as OTLP's bytes, column by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from exporter.query.attributes import of_key, written
from exporter.query.wire import (
    BYTES,
    Bytes,
    Lists,
    fixed32,
    fixed64s,
    ids,
    joined,
    message,
    messages,
    number,
    of_each,
    optional_messages,
    text,
)
from exporter.spans.schema import SPAN_KINDS, STATUS_CODES

CONTENT_ATTRIBUTES = "ContentAttributes"
CONTENT_ATTRIBUTE_TYPES = "ContentAttributeTypes"
CONTENT_ATTRIBUTE_POSITIONS = "ContentAttributePositions"
"""Columns that rows may have besides: the span's attributes from `llm_content`."""
PROFILE_ID = "pyroscope.profile.id"
"""Its value is the id under which Grafana asks for the span's own flame graph."""

_KINDS = {name: code for code, name in enumerate(SPAN_KINDS)}
_CODES = {name: code for code, name in enumerate(STATUS_CODES)}


class Columns:
    """Rows as columns, each in one piece."""

    def __init__(self, table: pa.RecordBatch | pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return self._table.num_rows

    def __contains__(self, name: str) -> bool:
        return name in self._table.schema.names

    def __getitem__(self, name: str) -> Any:
        column = self._table.column(name)
        if not isinstance(column, pa.ChunkedArray):
            return column
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def span_bodies(columns: Columns, *, for_viewers: bool) -> Bytes:
    """Return the body of each span."""
    start = columns["Timestamp"].cast(pa.int64()).to_numpy().astype(np.uint64)
    end = start + columns["Duration"].cast(pa.uint64()).to_numpy()
    profile_ids = [of_key(b"\x4a", PROFILE_ID, columns["SpanId"])] if for_viewers else []

    def each(name: str, write: Callable[[Any], bytes]) -> Bytes:
        return of_each(columns[name], write)

    return joined(
        ids(b"\x0a", columns["TraceId"], 16),
        ids(b"\x12", columns["SpanId"], 8),
        each("TraceState", lambda one: text(b"\x1a", one)),
        ids(b"\x22", columns["ParentSpanId"], 8),
        each("SpanName", lambda one: text(b"\x2a", one)),
        each("SpanKind", lambda one: number(b"\x30", _KINDS[one])),
        fixed64s(b"\x39", start),
        fixed64s(b"\x41", end),
        _attributes(columns).joined(),
        *profile_ids,
        each("DroppedAttributesCount", lambda count: number(b"\x50", count)),
        _events(columns),
        each("DroppedEventsCount", lambda count: number(b"\x60", count)),
        _links(columns),
        each("DroppedLinksCount", lambda count: number(b"\x70", count)),
        _statuses(columns, for_viewers=for_viewers),
        each("Flags", lambda flags: fixed32(b"\x85\x01", flags)),
    )


def _statuses(columns: Columns, *, for_viewers: bool) -> Bytes:
    bodies = joined(
        of_each(columns["StatusMessage"], lambda said: text(b"\x12", said)),
        of_each(columns["StatusCode"], lambda code: number(b"\x18", _CODES[code])),
    )
    return (messages if for_viewers else optional_messages)(b"\x7a", bodies)


def _attributes(columns: Columns) -> Lists:
    """Return the attributes of each span, its content among them where it stood."""
    plain = written(columns["SpanAttributes"], columns["SpanAttributeTypes"], b"\x4a")
    if CONTENT_ATTRIBUTES not in columns:
        return plain
    content = written(columns[CONTENT_ATTRIBUTES], columns[CONTENT_ATTRIBUTE_TYPES], b"\x4a")
    if not len(content.items):
        return plain
    known = CONTENT_ATTRIBUTE_POSITIONS in columns
    places = columns[CONTENT_ATTRIBUTE_POSITIONS] if known else None
    return _placed(plain, content, places)


def _placed(plain: Lists, content: Lists, places: pa.Array | None) -> Lists:
    """Put the items of `content` where `places` says, or behind all others of their row.

    A place is one in the whole list of a row. They are behind where a row has no places for them,
    or some that it does not have itself: of a span that came twice there is one content.
    """
    offsets = plain.offsets + content.offsets
    sizes = np.diff(content.offsets)
    row = np.repeat(np.arange(len(sizes)), sizes)
    at = offsets[row + 1] - content.offsets[row + 1] + np.arange(len(row))
    if places is not None:
        counts, said = np.diff(places.offsets), places.flatten().to_numpy().astype(np.int64)
        of = np.repeat(np.arange(len(counts)), counts)
        known = counts == sizes
        known[of[said >= np.diff(offsets)[of]]] = False
        at[known[row]] = (offsets[of] + said)[known[of]]
    order = np.full(int(offsets[-1]), -1, np.int64)
    order[at] = np.arange(len(at)) + len(plain.items)
    order[order < 0] = np.arange(len(plain.items))
    return Lists(offsets, pa.concat_arrays([plain.items, content.items]).take(pa.array(order)))


def _events(columns: Columns) -> Bytes:
    times = columns["Events.Timestamp"].flatten().cast(pa.int64()).to_numpy()

    def fields(each: Callable[[str, Callable[[Any], bytes]], Bytes]) -> tuple[Bytes, ...]:
        return (
            fixed64s(b"\x09", times.astype(np.uint64)),
            each("Name", lambda name: text(b"\x12", name)),
            each("DroppedAttributesCount", lambda count: number(b"\x20", count)),
        )

    return _children(columns, "Events", b"\x5a", b"\x1a", fields)


def _links(columns: Columns) -> Bytes:
    def fields(each: Callable[[str, Callable[[Any], bytes]], Bytes]) -> tuple[Bytes, ...]:
        return (
            each("TraceId", lambda one: message(b"\x0a", bytes.fromhex(one)) if one else b""),
            each("SpanId", lambda one: message(b"\x12", bytes.fromhex(one)) if one else b""),
            each("TraceState", lambda one: text(b"\x1a", one)),
            each("DroppedAttributesCount", lambda count: number(b"\x28", count)),
            each("Flags", lambda flags: fixed32(b"\x35", flags)),
        )

    return _children(columns, "Links", b"\x6a", b"\x22", fields)


def _children(
    columns: Columns,
    prefix: str,
    tag: bytes,
    of_attribute: bytes,
    fields: Callable[[Callable[[str, Callable[[Any], bytes]], Bytes]], tuple[Bytes, ...]],
) -> Bytes:
    """Return the events or the links of each span; `fields` makes all but their attributes."""
    maps = columns[f"{prefix}.Attributes"]
    offsets = maps.offsets.to_numpy().astype(np.int64)
    items = pa.array([], BYTES)
    if offsets[0] != offsets[-1]:
        kinds = columns[f"{prefix}.AttributeTypes"].flatten()
        own = fields(lambda name, write: of_each(columns[f"{prefix}.{name}"].flatten(), write))
        attributes = written(maps.flatten(), kinds, of_attribute).joined()
        items = messages(tag, joined(*own, attributes))
    return Lists(offsets - offsets[0], items).joined()
