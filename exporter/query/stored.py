"""Give stored rows back as the OTLP request that they came from: what went in comes out.

Exact for all that a span, its resource and its scope say, with types, order and keys that occur
twice. Not kept, so not given back: fields and enum numbers that this version of OTLP does not
have, times of events after 2262, and content that has reached the end of its own retention.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exporter.query.attributes import has_key, of_key, written
from exporter.query.stored_spans import Columns, span_bodies
from exporter.query.wire import (
    Bytes,
    data_of,
    joined,
    message,
    messages,
    number,
    of_each,
    repeated,
    text,
)
from exporter.spans.schema import SPAN_COLUMNS

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
    resources, scopes = _resources(columns, for_viewers=for_viewers), _scopes(columns)
    rows = _first_rows(columns) if for_viewers else np.arange(table.num_rows)
    tree: dict[int, dict[int, list[int]]] = {}
    for row in rows.tolist():
        inside = tree.setdefault(resources.codes[row], {})
        inside.setdefault(scopes.codes[row], []).append(row)
    order = [row for inside in tree.values() for rows in inside.values() for row in rows]
    bodies = messages(b"\x12", span_bodies(columns, for_viewers=for_viewers))
    spans = bodies.take(pa.array(order, pa.int64()))
    parts: list[bytes] = []
    first = 0
    for resource, inside in tree.items():
        of_resource: list[bytes] = []
        for scope, rows in inside.items():
            own = data_of(spans.slice(first, len(rows)))
            of_resource.append(message(b"\x12", scopes.around(scope, own)))
            first += len(rows)
        parts.append(message(b"\x0a", resources.around(resource, b"".join(of_resource))))
    return Rebuilt(b"".join(parts), tuple(order))


def _first_rows(columns: Columns) -> npt.NDArray[np.intp]:
    """Return the rows without those of spans that came before."""
    codes = columns["SpanId"].dictionary_encode().indices.to_numpy()
    return np.unique(codes, return_index=True)[1]


# Resources and scopes -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Groups:
    """The resources, or the scopes, of n rows: equal where their fields are."""

    codes: list[int]
    """n."""
    before: list[bytes]
    """What a message begins with, of each code."""
    behind: list[bytes]

    def around(self, code: int, inside: bytes) -> bytes:
        return self.before[code] + inside + self.behind[code]


def _resources(columns: Columns, *, for_viewers: bool) -> _Groups:
    pairs = columns["ResourceAttributes"]
    names = [_UNKNOWN_SERVICE if for_viewers else b"", b""]
    bodies = joined(
        written(pairs, columns["ResourceAttributeTypes"], b"\x0a").joined(),
        repeated(names, has_key(pairs, "service.name").astype(np.int64)),
        of_each(columns["ResourceDroppedAttributesCount"], lambda n: number(b"\x10", n)),
        of_each(columns["ResourceEntityRefs"], _entity_refs),
    )
    return _grouped(bodies, columns["ResourceSchemaUrl"])


def _scopes(columns: Columns) -> _Groups:
    bodies = joined(
        of_each(columns["ScopeName"], lambda one: text(b"\x0a", one)),
        of_each(columns["ScopeVersion"], lambda one: text(b"\x12", one)),
        written(columns["ScopeAttributes"], columns["ScopeAttributeTypes"], b"\x1a").joined(),
        of_each(columns["ScopeDroppedAttributesCount"], lambda n: number(b"\x20", n)),
    )
    return _grouped(bodies, columns["ScopeSchemaUrl"])


def _grouped(bodies: Bytes, urls: pa.Array) -> _Groups:
    before, behind = messages(b"\x0a", bodies), of_each(urls, lambda url: text(b"\x1a", url))
    codes = joined(before, behind).dictionary_encode().indices.to_numpy()
    first = pa.array(np.unique(codes, return_index=True)[1])
    return _Groups(codes.tolist(), before.take(first).to_pylist(), behind.take(first).to_pylist())


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
