"""Give stored rows back as the OTLP request that they came from.

Exact for what a span can say: every attribute has its kind again, nested values come from the
OTLP/JSON that is kept beside their text. Not kept, so not given back: the order of attributes that
are content (they are last), keys that occur twice, and entity references of a resource.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from exporter.spans.schema import SPAN_COLUMNS, SPAN_KINDS, STATUS_CODES

CONTENT_ATTRIBUTES = "ContentAttributes"
CONTENT_ATTRIBUTE_TYPES = "ContentAttributeTypes"
"""Columns that rows may have besides: the span's attributes from `llm_content`."""

_RESOURCE = (
    "ResourceAttributes",
    "ResourceAttributeTypes",
    "ResourceSchemaUrl",
    "ResourceDroppedAttributesCount",
)
_SCOPE = (
    "ScopeName",
    "ScopeVersion",
    "ScopeAttributes",
    "ScopeAttributeTypes",
    "ScopeSchemaUrl",
    "ScopeDroppedAttributesCount",
)
_TIMES = {column.name for column in SPAN_COLUMNS if "DateTime64" in column.clickhouse}

Row = Mapping[str, Any]
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A request, and for each of its spans in their order the position of its row."""

    request: ExportTraceServiceRequest
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


def rebuild(rows: Iterable[Row]) -> Rebuilt:
    """Return the request; spans of one resource and scope stand together, in their order."""
    grouped: dict[tuple[str, ...], dict[tuple[str, ...], list[tuple[int, Row]]]] = {}
    for position, row in enumerate(rows):
        of_resource = grouped.setdefault(_group(row, _RESOURCE), {})
        of_resource.setdefault(_group(row, _SCOPE), []).append((position, row))
    request = ExportTraceServiceRequest()
    order: list[int] = []
    for scopes in grouped.values():
        first = next(iter(scopes.values()))[0][1]
        resource_spans = request.resource_spans.add(
            resource=_resource(first), schema_url=first["ResourceSchemaUrl"]
        )
        for members in scopes.values():
            resource_spans.scope_spans.append(_scope_spans([row for _, row in members]))
            order += [position for position, _ in members]
    return Rebuilt(request, tuple(order))


def _group(row: Row, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(repr(row[name]) for name in names)


def _resource(row: Row) -> Resource:
    return Resource(
        attributes=key_values(row["ResourceAttributes"], row["ResourceAttributeTypes"]),
        dropped_attributes_count=row["ResourceDroppedAttributesCount"],
    )


def _scope_spans(rows: list[Row]) -> ScopeSpans:
    row = rows[0]
    scope = InstrumentationScope(
        name=row["ScopeName"],
        version=row["ScopeVersion"],
        attributes=key_values(row["ScopeAttributes"], row["ScopeAttributeTypes"]),
        dropped_attributes_count=row["ScopeDroppedAttributesCount"],
    )
    spans = [_span(each) for each in rows]
    return ScopeSpans(scope=scope, spans=spans, schema_url=row["ScopeSchemaUrl"])


def _span(row: Row) -> Span:
    start: int = row["Timestamp"]
    attributes = key_values(row["SpanAttributes"], row["SpanAttributeTypes"])
    attributes += key_values(
        row.get(CONTENT_ATTRIBUTES) or (), row.get(CONTENT_ATTRIBUTE_TYPES) or ()
    )
    span = Span(
        trace_id=bytes.fromhex(row["TraceId"]),
        span_id=bytes.fromhex(row["SpanId"]),
        parent_span_id=bytes.fromhex(row["ParentSpanId"]),
        trace_state=row["TraceState"],
        name=row["SpanName"],
        kind=SPAN_KINDS.index(row["SpanKind"]),  # pyright: ignore[reportArgumentType]
        start_time_unix_nano=start,
        end_time_unix_nano=start + row["Duration"],
        attributes=attributes,
        dropped_attributes_count=row["DroppedAttributesCount"],
        events=_events(row),
        dropped_events_count=row["DroppedEventsCount"],
        links=_links(row),
        dropped_links_count=row["DroppedLinksCount"],
        flags=row["Flags"],
    )
    code = STATUS_CODES.index(row["StatusCode"])
    if code or row["StatusMessage"]:
        span.status.CopyFrom(Status(code=code, message=row["StatusMessage"]))  # pyright: ignore[reportArgumentType]
    return span


def _events(row: Row) -> list[Span.Event]:
    return [
        Span.Event(
            time_unix_nano=time,
            name=name,
            attributes=key_values(attributes, types),
            dropped_attributes_count=dropped,
        )
        for time, name, attributes, types, dropped in zip(
            row["Events.Timestamp"],
            row["Events.Name"],
            row["Events.Attributes"],
            row["Events.AttributeTypes"],
            row["Events.DroppedAttributesCount"],
            strict=True,
        )
    ]


def _links(row: Row) -> list[Span.Link]:
    return [
        Span.Link(
            trace_id=bytes.fromhex(trace_id),
            span_id=bytes.fromhex(span_id),
            trace_state=state,
            attributes=key_values(attributes, types),
            dropped_attributes_count=dropped,
            flags=flags,
        )
        for trace_id, span_id, state, attributes, types, dropped, flags in zip(
            row["Links.TraceId"],
            row["Links.SpanId"],
            row["Links.TraceState"],
            row["Links.Attributes"],
            row["Links.AttributeTypes"],
            row["Links.DroppedAttributesCount"],
            row["Links.Flags"],
            strict=True,
        )
    ]


def key_values(attributes: Pairs, types: Pairs) -> list[KeyValue]:
    """Return attributes with their values as they were sent."""
    kind_of = dict(types)
    return [
        KeyValue(key=key, value=_value(text, kind_of.get(key, "string")))
        for key, text in attributes
    ]


def _value(text: str, kind: str) -> AnyValue:  # noqa: PLR0911 - one return for each kind
    match kind:
        case "string":
            return AnyValue(string_value=text)
        case "empty":
            return AnyValue()
        case "bool":
            return AnyValue(bool_value=text == "true")
        case "int":
            return AnyValue(int_value=int(text))
        case "double":
            return AnyValue(double_value=float(text))
        case "bytes":
            return AnyValue(bytes_value=base64.b64decode(text))
        case "strindex":
            return AnyValue(string_value_strindex=int(text))
        case nested:
            return json_format.Parse(nested, AnyValue())
