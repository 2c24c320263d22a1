"""Give stored rows back as the OTLP request that they came from: what went in comes out.

Exact for all that a span, its resource and its scope say, with types, order and keys that occur
twice. Not kept, so not given back: fields and enum numbers that this version of OTLP does not
have, times of events after 2262, and content that has reached the end of its own retention.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pyarrow as pa

from exporter.query.attributes import kinds_of, written
from exporter.query.wire import KeyValues, fixed32, fixed64, fixed64s, message, number, sized, text
from exporter.spans.schema import SPAN_COLUMNS, SPAN_KINDS, STATUS_CODES

CONTENT_ATTRIBUTES = "ContentAttributes"
CONTENT_ATTRIBUTE_TYPES = "ContentAttributeTypes"
CONTENT_ATTRIBUTE_POSITIONS = "ContentAttributePositions"
"""Columns that rows may have besides: the span's attributes from `llm_content`."""
RESOURCE_GROUP, SCOPE_GROUP = "ResourceGroup", "ScopeGroup"
"""The same: equal where all is equal that is said of the resource, of the scope."""
PROFILE_ID = "pyroscope.profile.id"
"""Its value is the id under which Grafana asks for the span's own flame graph."""

_OF_RESOURCE = (
    *("ResourceAttributes", "ResourceAttributeTypes", "ResourceSchemaUrl"),
    *("ResourceDroppedAttributesCount", "ResourceEntityRefs"),
)
_OF_SCOPE = (
    *("ScopeName", "ScopeVersion", "ScopeAttributes", "ScopeAttributeTypes", "ScopeSchemaUrl"),
    "ScopeDroppedAttributesCount",
)
_TIMES = {column.name for column in SPAN_COLUMNS if "DateTime64" in column.clickhouse}
_KINDS = {name: code for code, name in enumerate(SPAN_KINDS)}
_CODES = {name: code for code, name in enumerate(STATUS_CODES)}
_UNKNOWN_SERVICE = "unknown_service"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """An ExportTraceServiceRequest's bytes (a TracesData's, too).

    `rows`: for each of its spans in their order the position of its row.
    """

    request: bytes
    rows: tuple[int, ...]


def as_rows(table: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """Return rows as Python values: times as integer nanoseconds, maps as pairs."""
    columns: dict[str, list[Any]] = {}
    for name in table.schema.names:
        column = table.column(name)
        if name in _TIMES:
            nested = pa.types.is_list(column.type)
            column = column.cast(pa.list_(pa.int64()) if nested else pa.int64())
        columns[name] = column.to_pylist()
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def rebuild(table: pa.RecordBatch | pa.Table, *, for_viewers: bool = False) -> Rebuilt:
    """Return the request; spans of one resource and scope stand together, in their order.

    `for_viewers`: each span once and with `PROFILE_ID`, and nothing left out that Grafana's trace
    view cannot do without: a status, and a service's name.
    """
    writer = _Writer(table, for_viewers=for_viewers)
    resources: dict[str, dict[str, list[int]]] = {}
    groups = zip(_groups(table, RESOURCE_GROUP), _groups(table, SCOPE_GROUP), strict=True)
    kept = writer.first_rows() if for_viewers else range(table.num_rows)
    by_row = list(groups)
    for row in kept:
        resource, scope = by_row[row]
        resources.setdefault(resource, {}).setdefault(scope, []).append(row)
    order = [row for scopes in resources.values() for rows in scopes.values() for row in rows]
    spans = writer.spans(order)
    request = b"".join(
        message(b"\x0a", writer.resource(scopes, spans)) for scopes in resources.values()
    )
    return Rebuilt(request, tuple(order))


def _groups(table: pa.RecordBatch | pa.Table, name: str) -> list[str]:
    if name in table.schema.names:
        return table.column(name).to_pylist()
    columns = _OF_RESOURCE if name == RESOURCE_GROUP else _OF_SCOPE
    return [repr(row) for row in zip(*(table.column(c).to_pylist() for c in columns), strict=True)]


class _Writer:
    def __init__(self, table: pa.RecordBatch | pa.Table, *, for_viewers: bool) -> None:
        self._table = table
        self._for_viewers = for_viewers
        self._key_values = KeyValues()

    def first_rows(self) -> list[int]:
        """Return the rows without those of spans that came before."""
        ids = self._table.column("SpanId").to_pylist()
        return sorted({span_id: row for row, span_id in reversed(list(enumerate(ids)))}.values())

    # Resources and scopes: few, so row by row ---------------------------------------------

    def resource(self, scopes: dict[str, list[int]], spans: dict[int, bytes]) -> bytes:
        first = next(iter(scopes.values()))[0]
        (row,) = as_rows(self._table.select(list(_OF_RESOURCE)).slice(first, 1))
        pairs = row["ResourceAttributes"]
        body = self._attributes(b"\x0a", pairs, row["ResourceAttributeTypes"])
        if self._for_viewers and "service.name" not in dict(pairs):
            body += b"\x0a" + self._key_values.one("service.name", _UNKNOWN_SERVICE, "string")
        body += number(b"\x10", row["ResourceDroppedAttributesCount"])
        body += _entity_refs(row["ResourceEntityRefs"])
        return b"".join((
            message(b"\x0a", body),
            *(message(b"\x12", self._scope(rows, spans)) for rows in scopes.values()),
            text(b"\x1a", row["ResourceSchemaUrl"]),
        ))  # fmt: skip

    def _scope(self, rows: list[int], spans: dict[int, bytes]) -> bytes:
        (row,) = as_rows(self._table.select(list(_OF_SCOPE)).slice(rows[0], 1))
        scope = b"".join((
            text(b"\x0a", row["ScopeName"]),
            text(b"\x12", row["ScopeVersion"]),
            self._attributes(b"\x1a", row["ScopeAttributes"], row["ScopeAttributeTypes"]),
            number(b"\x20", row["ScopeDroppedAttributesCount"]),
        ))  # fmt: skip
        return b"".join((
            message(b"\x0a", scope),
            *(b"\x12" + sized(spans[each]) for each in rows),
            text(b"\x1a", row["ScopeSchemaUrl"]),
        ))  # fmt: skip

    def _attributes(
        self, tag: bytes, pairs: Sequence[tuple[str, str]], types: Sequence[tuple[str, str]]
    ) -> bytes:
        keys, values = [key for key, _ in pairs], [value for _, value in pairs]
        kinds = kinds_of(keys, types) if types else repeat("string")
        one = self._key_values.one
        return b"".join(
            tag + one(key, value, kind)
            for key, value, kind in zip(keys, values, kinds, strict=False)
        )

    # Spans: column by column -----------------------------------------------------------------

    def spans(self, rows: Sequence[int]) -> dict[int, bytes]:
        """Return the body of each span."""
        each = self._each
        ids = self._column("SpanId")
        start = np.array(self._column("Timestamp"), np.int64)
        end = start.astype(np.uint64) + np.array(self._column("Duration"), np.uint64)
        parts: list[list[bytes]] = [
            each("TraceId", lambda one: b"\x0a\x10" + bytes.fromhex(one)),
            [b"\x12\x08" + bytes.fromhex(one) for one in ids],
            each("TraceState", lambda one: text(b"\x1a", one)),
            each("ParentSpanId", lambda one: b"\x22\x08" + bytes.fromhex(one) if one else b""),
            each("SpanName", lambda one: text(b"\x2a", one)),
            each("SpanKind", lambda one: number(b"\x30", _KINDS[one])),
            fixed64s(b"\x39", start.astype(np.uint64)),
            fixed64s(b"\x41", end),
            self._span_attributes(),
            self._profile_ids(ids),
            each("DroppedAttributesCount", lambda count: number(b"\x50", count)),
            self._events(),
            each("DroppedEventsCount", lambda count: number(b"\x60", count)),
            self._links(),
            each("DroppedLinksCount", lambda count: number(b"\x70", count)),
            self._statuses(),
            each("Flags", lambda flags: fixed32(b"\x85\x01", flags)),
        ]
        bodies = [b"".join(of_span) for of_span in zip(*parts, strict=True)]
        return {row: bodies[row] for row in rows}

    def _each(self, name: str, write: Callable[[Any], bytes]) -> list[bytes]:
        """Return a field of each row, written once for each distinct value."""
        column = _single(self._table.column(name)).dictionary_encode()
        written = [write(value) for value in column.dictionary.to_pylist()]
        return [written[code] for code in column.indices.to_pylist()]

    def _column(self, name: str) -> list[Any]:
        column = self._table.column(name)
        return (column.cast(pa.int64()) if name in _TIMES else column).to_pylist()

    def _profile_ids(self, ids: list[str]) -> list[bytes]:
        if not self._for_viewers:
            return [b""] * len(ids)
        write = self._key_values.writer(PROFILE_ID, "string", b"\x4a")
        return [write(span_id) for span_id in ids]

    def _statuses(self) -> list[bytes]:
        empty = b"\x7a\x00" if self._for_viewers else b""
        found: list[bytes] = []
        for code, said in zip(
            self._column("StatusCode"), self._column("StatusMessage"), strict=True
        ):
            body = text(b"\x12", said) + number(b"\x18", _CODES[code])
            found.append(b"\x7a" + sized(body) if body else empty)
        return found

    def _span_attributes(self) -> list[bytes]:
        plain = self._maps("SpanAttributes", "SpanAttributeTypes")
        if CONTENT_ATTRIBUTES not in self._table.schema.names:
            return [b"".join(of_span) for of_span in plain]
        content = self._maps(CONTENT_ATTRIBUTES, CONTENT_ATTRIBUTE_TYPES)
        has_places = CONTENT_ATTRIBUTE_POSITIONS in self._table.schema.names
        places: Iterable[Sequence[int]] = (
            self._lists(CONTENT_ATTRIBUTE_POSITIONS) if has_places else repeat((), len(plain))
        )
        joined: list[bytes] = []
        for of_span, of_content, at in zip(plain, content, places, strict=True):
            # Positions are those in the whole list, so each is right once those before are in.
            for place, one in zip(at, of_content, strict=False):
                of_span.insert(place, one)
            joined.append(b"".join((*of_span, *of_content[len(at) :])))
        return joined

    def _maps(self, name: str, types: str) -> list[list[bytes]]:
        """Return the attributes of each row."""
        maps, kinds = (_single(self._table.column(each)) for each in (name, types))
        return written(maps, kinds, self._key_values, b"\x4a")

    def _lists(self, name: str) -> list[list[int]]:
        column = _single(self._table.column(name))
        offsets = np.asarray(column.offsets)
        values = column.flatten().to_pylist()
        return [values[first:last] for first, last in pairwise((offsets - offsets[0]).tolist())]

    def _events(self) -> list[bytes]:
        return self._children(
            "Events",
            attributes=b"\x1a",
            fields=(
                ("Timestamp", lambda at: fixed64(b"\x09", at)),
                ("Name", lambda name: text(b"\x12", name)),
                ("DroppedAttributesCount", lambda count: number(b"\x20", count)),
            ),
            tag=b"\x5a",
        )

    def _links(self) -> list[bytes]:
        return self._children(
            "Links",
            attributes=b"\x22",
            fields=(
                ("TraceId", lambda one: message(b"\x0a", bytes.fromhex(one)) if one else b""),
                ("SpanId", lambda one: message(b"\x12", bytes.fromhex(one)) if one else b""),
                ("TraceState", lambda one: text(b"\x1a", one)),
                ("DroppedAttributesCount", lambda count: number(b"\x28", count)),
                ("Flags", lambda flags: fixed32(b"\x35", flags)),
            ),
            tag=b"\x6a",
        )

    def _children(
        self,
        prefix: str,
        *,
        attributes: bytes,
        fields: tuple[tuple[str, Callable[[Any], bytes]], ...],
        tag: bytes,
    ) -> list[bytes]:
        lists = {
            name: _single(self._table.column(f"{prefix}.{name}"))
            for name in (*(name for name, _ in fields), "Attributes", "AttributeTypes")
        }
        offsets = lists["Attributes"].offsets.to_pylist()
        if offsets[0] == offsets[-1]:
            return [b""] * self._table.num_rows
        owned = written(
            lists["Attributes"].flatten(),
            lists["AttributeTypes"].flatten(),
            self._key_values,
            attributes,
        )
        parts = [[b"".join(each) for each in owned]]
        for name, write in fields:
            values = lists[name].flatten()
            plain = values.cast(pa.int64()) if name == "Timestamp" else values
            parts.append([write(value) for value in plain.to_pylist()])
        bodies = [tag + sized(b"".join(of_child)) for of_child in zip(*parts, strict=True)]
        base = offsets[0]
        return [b"".join(bodies[first - base : last - base]) for first, last in pairwise(offsets)]


def _single(column: pa.Array | pa.ChunkedArray) -> Any:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def _entity_refs(said: str) -> bytes:
    if not said:
        return b""
    return b"".join(
        message(
            b"\x1a",
            text(b"\x0a", ref["schema_url"])
            + text(b"\x12", ref["type"])
            + b"".join(message(b"\x1a", key.encode()) for key in ref["id_keys"])
            + b"".join(message(b"\x22", key.encode()) for key in ref["description_keys"]),
        )
        for ref in json.loads(said)
    )
