"""Turn a batch into the rows that the tables take: one Arrow table for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.spans.arrow import known, pc
from exporter.spans.batch import Attributes, Bools, Children, SpanBatch
from exporter.spans.schema import (
    CONTENT_COLUMNS,
    CONTENT_TABLE,
    KIND_NAMES,
    SPAN_COLUMNS,
    SPANS_TABLE,
    Column,
    ValueKind,
)

_CONTENT_TEXTS = (
    *("Input", "Output", "System"),
    *("InputMessages", "OutputMessages", "ToolDefinitions"),
)

_KINDS = pa.array([KIND_NAMES.get(kind, "string") for kind in ValueKind])


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for each table, by its name."""

    tables: dict[str, pa.RecordBatch]

    @property
    def spans(self) -> int:
        """Number of spans that the rows are of."""
        return self.tables[SPANS_TABLE].num_rows

    @property
    def size_bytes(self) -> int:
        """Memory that the rows hold."""
        return sum(table.nbytes for table in self.tables.values())


def rows(batch: SpanBatch) -> Rows:
    """Return the rows of a priced batch."""
    return Rows({SPANS_TABLE: _span_rows(batch), CONTENT_TABLE: _content_rows(batch)})


def _span_rows(batch: SpanBatch) -> pa.RecordBatch:
    of_resource, of_scope = pa.array(batch.resource_of_span), pa.array(batch.scope_of_span)
    arrays: dict[str, pa.Array] = dict(batch.columns)
    for name, column in batch.resources.items():
        arrays[name] = column.take(of_resource)
    for name, column in batch.scopes.items():
        arrays[name] = column.take(of_scope)
    arrays["SpanAttributes"] = text_map(batch.attributes)
    arrays["SpanAttributeTypes"] = type_map(batch.attributes)
    arrays["ResourceAttributes"] = text_map(batch.resource_attributes).take(of_resource)
    arrays["ResourceAttributeTypes"] = type_map(batch.resource_attributes).take(of_resource)
    arrays["ScopeAttributes"] = text_map(batch.scope_attributes).take(of_scope)
    arrays["ScopeAttributeTypes"] = type_map(batch.scope_attributes).take(of_scope)
    arrays |= _children("Events", batch.events) | _children("Links", batch.links)
    return _table(SPAN_COLUMNS, arrays)


def _children(prefix: str, children: Children) -> dict[str, pa.Array]:
    columns = {
        **children.columns,
        "Attributes": text_map(children.attributes),
        "AttributeTypes": type_map(children.attributes),
    }
    if "Timestamp" in columns:
        # The column ends in 2262; a later time is not one.
        times = np.minimum(columns["Timestamp"].to_numpy(), np.uint64(2**63 - 1))
        columns["Timestamp"] = pa.array(times.astype(np.int64)).view(pa.timestamp("ns"))
    return {
        f"{prefix}.{name}": pa.ListArray.from_arrays(children.offsets, column)
        for name, column in columns.items()
    }


def _content_rows(batch: SpanBatch) -> pa.RecordBatch:
    """Return a row for each span that says something, in attributes or in events."""
    content = batch.content
    says: Bools = np.zeros(len(batch), dtype=np.bool_)
    if content is not None:
        says |= np.diff(content.offsets) > 0
    for name in _CONTENT_TEXTS:
        if name in batch.columns:
            says |= known(batch[name])
    kept = np.flatnonzero(says)
    if not len(kept):
        return _table(CONTENT_COLUMNS, {})
    chosen = pa.array(kept)
    nothing = pa.nulls(len(batch), pa.string())
    arrays = {
        column.name: batch.columns.get(column.name, nothing).take(chosen)
        for column in CONTENT_COLUMNS
        if column.name in batch.columns or column.name in _CONTENT_TEXTS
    }
    # A span that says everything in its events has content, but no attribute of it.
    for name, as_map in (("Attributes", text_map), ("AttributeTypes", type_map)):
        arrays[name] = _no_maps(len(kept)) if content is None else as_map(content).take(chosen)
    arrays["AttributePositions"] = _positions(batch).take(chosen)
    return _table(CONTENT_COLUMNS, arrays)


def _positions(batch: SpanBatch) -> pa.ListArray:
    if batch.content is None or batch.content_positions is None:
        offsets, positions = np.zeros(len(batch) + 1, dtype=np.int32), np.zeros(0, dtype=np.uint32)
    else:
        offsets, positions = batch.content.offsets, batch.content_positions
    return pa.ListArray.from_arrays(offsets, pa.array(positions.astype(np.uint32)))


def _no_maps(n: int) -> pa.MapArray:
    none = pa.array([], pa.string())
    return pa.MapArray.from_arrays(np.zeros(n + 1, dtype=np.int32), none, none)


def _table(columns: tuple[Column, ...], arrays: dict[str, pa.Array]) -> pa.RecordBatch:
    """Return the declared columns in their order; every one must be there, or none."""
    if not arrays:
        schema = pa.schema([(column.name, column.arrow) for column in columns])
        return pa.RecordBatch.from_pylist([], schema=schema)
    # Plain strings: a dictionary of one batch differs from the next one's, and the engine takes
    # either for LowCardinality at about the same speed.
    ordered = [_as(arrays[column.name], column.arrow) for column in columns]
    return pa.RecordBatch.from_arrays(ordered, names=[column.name for column in columns])


def _as(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    return array if array.type == wanted else array.cast(wanted)


def text_map(attributes: Attributes) -> pa.MapArray:
    """Return the attributes of each owner as a map of text."""
    keys = attributes.keys.take(pa.array(attributes.codes))
    return pa.MapArray.from_arrays(attributes.offsets, keys, attributes.text)


def type_map(attributes: Attributes) -> pa.MapArray:
    """Return what each value is that is not a string: a kind's name, or OTLP/JSON if nested.

    Of a key that an owner has twice every entry is there, in order, a string as `string`.
    """
    other: Bools = (attributes.kinds != ValueKind.STRING) | attributes.repeated
    counts: NDArray[np.int32] = np.concatenate(([0], np.cumsum(other, dtype=np.int32)))
    keys = attributes.keys.take(pa.array(attributes.codes[other]))
    names = _KINDS.take(pa.array(attributes.kinds[other]))
    if attributes.exact is not None:
        nested = attributes.exact.filter(pa.array(other))
        names = pc.coalesce(nested, names)
    return pa.MapArray.from_arrays(counts[attributes.offsets].astype(np.int32), keys, names)
