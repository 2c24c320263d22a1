"""Give stored rows back as the OTLP request that they came from: what went in comes out.

Exact for all that a span, its resource and its scope say, with types, order and keys that occur
twice. Not kept, so not given back: fields and enum numbers that this version of OTLP does not
have, times of events after 2262, and content that has reached the end of its own retention.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exporter.query.attributes import of_key, written
from exporter.query.stored_spans import Columns, span_bodies
from exporter.query.wire import (
    BYTES,
    Bytes,
    data_of,
    joined,
    message,
    messages,
    number,
    of_each,
    text,
)
from exporter.spans.schema import SPAN_COLUMNS

RESOURCE_GROUP, SCOPE_GROUP = "ResourceGroup", "ScopeGroup"
"""The same: equal where all is equal that is said of the resource, of the scope."""

_OF_RESOURCE = (
    *("ResourceAttributes", "ResourceAttributeTypes", "ResourceSchemaUrl"),
    *("ResourceDroppedAttributesCount", "ResourceEntityRefs"),
)
_OF_SCOPE = (
    *("ScopeName", "ScopeVersion", "ScopeAttributes", "ScopeAttributeTypes", "ScopeSchemaUrl"),
    "ScopeDroppedAttributesCount",
)
_TIMES = {column.name for column in SPAN_COLUMNS if "DateTime64" in column.clickhouse}
_UNKNOWN_SERVICE = data_of(of_key(b"\x0a", "service.name", pa.array(["unknown_service"])))


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

    `for_viewers`: each span once and with its profile's id, and nothing left out that Grafana's
    trace view cannot do without: a status, and a service's name.
    """
    columns = Columns(table)
    rows = _first_rows(columns) if for_viewers else np.arange(table.num_rows)
    tree: dict[str, dict[str, list[int]]] = {}
    resource_of = _groups(columns, RESOURCE_GROUP, _OF_RESOURCE)
    scope_of = _groups(columns, SCOPE_GROUP, _OF_SCOPE)
    for row in rows.tolist():
        tree.setdefault(resource_of[row], {}).setdefault(scope_of[row], []).append(row)
    scopes = [rows for of_resource in tree.values() for rows in of_resource.values()]
    order = [row for rows in scopes for row in rows]
    spans = messages(b"\x12", span_bodies(columns, for_viewers=for_viewers))
    of_scopes = _with_scopes(columns, scopes, spans.take(pa.array(order, pa.int64())))
    firsts = [next(iter(of_resource.values()))[0] for of_resource in tree.values()]
    resources = _resources(columns.of(firsts, _OF_RESOURCE), for_viewers=for_viewers)
    request = b"".join(
        message(b"\x0a", b"".join((resource, *islice(of_scopes, len(of_resource)), schema)))
        for of_resource, (resource, schema) in zip(tree.values(), resources, strict=True)
    )
    return Rebuilt(request, tuple(order))


def _with_scopes(columns: Columns, scopes: list[list[int]], spans: Bytes) -> Iterator[bytes]:
    """Yield each scope with its spans, which stand one after the other in `spans`."""
    ends = accumulate(len(rows) for rows in scopes)
    said = _scopes(columns.of([rows[0] for rows in scopes], _OF_SCOPE))
    for rows, end, (scope, schema) in zip(scopes, ends, said, strict=True):
        own = data_of(spans.slice(end - len(rows), len(rows)))
        yield message(b"\x12", scope + own + schema)


def _groups(columns: Columns, name: str, otherwise: tuple[str, ...]) -> list[str]:
    """Return of each row what is equal where its resource or scope is."""
    if name in columns:
        return columns[name].to_pylist()
    return [repr(row) for row in zip(*(columns[c].to_pylist() for c in otherwise), strict=True)]


def _first_rows(columns: Columns) -> npt.NDArray[np.intp]:
    """Return the rows without those of spans that came before."""
    codes = columns["SpanId"].dictionary_encode().indices.to_numpy()
    return np.unique(codes, return_index=True)[1]


# Resources and scopes -------------------------------------------------------------------------


def _resources(columns: Columns, *, for_viewers: bool) -> list[tuple[bytes, bytes]]:
    """Return each row's resource as a field, and the field of its schema's URL."""
    pairs = columns["ResourceAttributes"]
    name = _UNKNOWN_SERVICE if for_viewers else b""
    named = [b"" if "service.name" in dict(each) else name for each in pairs.to_pylist()]
    bodies = joined(
        written(pairs, columns["ResourceAttributeTypes"], b"\x0a").joined(),
        pa.array(named, BYTES),
        of_each(columns["ResourceDroppedAttributesCount"], lambda n: number(b"\x10", n)),
        of_each(columns["ResourceEntityRefs"], _entity_refs),
    )
    return _with_schema(messages(b"\x0a", bodies), columns["ResourceSchemaUrl"])


def _scopes(columns: Columns) -> list[tuple[bytes, bytes]]:
    """Return each row's scope as a field, and the field of its schema's URL."""
    bodies = joined(
        of_each(columns["ScopeName"], lambda one: text(b"\x0a", one)),
        of_each(columns["ScopeVersion"], lambda one: text(b"\x12", one)),
        written(columns["ScopeAttributes"], columns["ScopeAttributeTypes"], b"\x1a").joined(),
        of_each(columns["ScopeDroppedAttributesCount"], lambda n: number(b"\x20", n)),
    )
    return _with_schema(messages(b"\x0a", bodies), columns["ScopeSchemaUrl"])


def _with_schema(fields: Bytes, urls: pa.Array) -> list[tuple[bytes, bytes]]:
    schemas = of_each(urls, lambda url: text(b"\x1a", url))
    return list(zip(fields.to_pylist(), schemas.to_pylist(), strict=True))


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
