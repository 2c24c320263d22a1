"""Turn raw OTLP export requests into one batch of columns, and say what became of each request.

The only module that knows ptars, which reads the bytes straight into nested Arrow arrays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from ptars import HandlerPool

from exporter.errors import MalformedError
from exporter.spans.arrow import pc, words
from exporter.spans.attributes import SeveralMembersError, read_attributes
from exporter.spans.batch import Children, Ints, SpanBatch
from exporter.spans.ids import folded, hex_text, parent_numbers, span_keys
from exporter.spans.rejection import SpanLimits, Verdict, rejections, verdicts
from exporter.spans.schema import SPAN_KINDS, STATUS_CODES


class Decoder:
    """Reads export requests; holds no state between calls but ptars' compiled descriptor."""

    def __init__(self, limits: SpanLimits) -> None:
        self._limits = limits
        pool = HandlerPool([trace_service_pb2.DESCRIPTOR])  # pyright: ignore[reportArgumentType]
        self._handler = pool.get_for_message(trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR)

    def decode(self, requests: Sequence[bytes], now_ns: int) -> tuple[SpanBatch, list[Verdict]]:
        """Return the sound spans of all requests and a verdict for each request.

        A request that cannot be read gets its error in its verdict; the others are not touched.
        """
        try:
            return self._decode(requests, now_ns)
        except MalformedError:
            # Which one it was is not known: read each alone, then the readable ones together.
            errors = [self._error_of(request, now_ns) for request in requests]
        readable = [r for r, error in zip(requests, errors, strict=True) if error is None]
        batch, alone = self._decode(readable, now_ns)
        sound = iter(alone)
        return batch, [next(sound) if e is None else Verdict(error=e) for e in errors]

    def _error_of(self, request: bytes, now_ns: int) -> MalformedError | None:
        try:
            self._decode([request], now_ns)
        except MalformedError as error:
            return error
        return None

    def _decode(self, requests: Sequence[bytes], now_ns: int) -> tuple[SpanBatch, list[Verdict]]:
        try:
            return self._read(requests, now_ns)
        except SeveralMembersError:
            # ptars keeps every member of a oneof that the wire sets; protobuf keeps the last.
            return self._read([_canonical(request) for request in requests], now_ns)

    def _read(self, requests: Sequence[bytes], now_ns: int) -> tuple[SpanBatch, list[Verdict]]:
        try:
            messages: pa.RecordBatch = self._handler.list_to_record_batch(list(requests))
        except ValueError as error:
            raise MalformedError(f"not an ExportTraceServiceRequest: {error}") from error
        resources = messages.column("resource_spans")
        scopes = resources.values.field("scope_spans")
        spans = scopes.values.field("spans")
        scope_of_span = _owners(spans)
        resource_of_scope = _owners(scopes)
        request_of_span = _owners(resources)[resource_of_scope[scope_of_span]]

        reasons = rejections(spans.values, self._limits, now_ns)
        sound = reasons == 0
        found = verdicts(len(requests), request_of_span, reasons)
        rows = spans.values
        if not sound.all():
            rows = rows.filter(pa.array(sound))
            scope_of_span = scope_of_span[sound]
        trace_keys = folded(rows.field("trace_id"), 16)
        batch = SpanBatch(
            columns=_span_columns(rows),
            trace_keys=trace_keys,
            keys=span_keys(trace_keys, folded(rows.field("span_id"), 8)),
            parent_keys=span_keys(trace_keys, parent_numbers(rows.field("parent_span_id"))),
            attributes=read_attributes(rows.field("attributes")),
            events=_events(rows.field("events")),
            links=_links(rows.field("links")),
            resource_of_span=resource_of_scope[scope_of_span],
            resources=_resource_columns(resources.values),
            resource_attributes=read_attributes(
                resources.values.field("resource").field("attributes")
            ),
            scope_of_span=scope_of_span,
            scopes=_scope_columns(scopes.values),
            scope_attributes=read_attributes(scopes.values.field("scope").field("attributes")),
        )
        return batch, found


def _canonical(request: bytes) -> bytes:
    try:
        message = trace_service_pb2.ExportTraceServiceRequest.FromString(request)
    except DecodeError as error:
        raise MalformedError(f"not an ExportTraceServiceRequest: {error}") from error
    return message.SerializeToString()


def _span_columns(spans: pa.StructArray) -> dict[str, pa.Array]:
    start = spans.field("start_time_unix_nano").to_numpy().astype(np.int64)
    end = spans.field("end_time_unix_nano").to_numpy().astype(np.int64)
    status = spans.field("status")
    return {
        "Timestamp": pa.array(start).view(pa.timestamp("ns")),
        "TraceId": hex_text(spans.field("trace_id")),
        "SpanId": hex_text(spans.field("span_id")),
        "ParentSpanId": hex_text(spans.field("parent_span_id")),
        "TraceState": spans.field("trace_state"),
        "SpanName": spans.field("name").dictionary_encode(),
        "SpanKind": _named(spans.field("kind").to_numpy(), SPAN_KINDS),
        "Duration": pa.array(np.maximum(end - start, 0).astype(np.uint64)),
        "StatusCode": _named(_present(status, "code", 0).to_numpy(), STATUS_CODES),
        "StatusMessage": _present(status, "message", ""),
        "Flags": spans.field("flags"),
        "DroppedAttributesCount": spans.field("dropped_attributes_count"),
        "DroppedEventsCount": spans.field("dropped_events_count"),
        "DroppedLinksCount": spans.field("dropped_links_count"),
    }


def _resource_columns(resources: pa.StructArray) -> dict[str, pa.Array]:
    return {
        "ResourceSchemaUrl": resources.field("schema_url"),
        "ResourceEntityRefs": _entity_refs(resources.field("resource")),
        "ResourceDroppedAttributesCount": _present(
            resources.field("resource"), "dropped_attributes_count", 0
        ),
    }


def _entity_refs(resource: pa.StructArray) -> pa.StringArray:
    """Return the entity references of each resource as JSON, empty where there are none."""
    lists = resource.field("entity_refs")
    if not len(lists.flatten()):
        return pa.array([""] * len(lists), pa.string())
    # A loop over resources, few in a batch, and only if one of them has any.
    texts = [json.dumps(refs, separators=(",", ":")) if refs else "" for refs in lists.to_pylist()]
    return pa.array(texts, pa.string())


def _scope_columns(scopes: pa.StructArray) -> dict[str, pa.Array]:
    scope = scopes.field("scope")
    return {
        "ScopeName": _present(scope, "name", ""),
        "ScopeVersion": _present(scope, "version", ""),
        "ScopeSchemaUrl": scopes.field("schema_url"),
        "ScopeDroppedAttributesCount": _present(scope, "dropped_attributes_count", 0),
    }


def _events(events: pa.ListArray) -> Children:
    rows = events.values
    return Children(
        offsets=events.offsets.to_numpy(),
        columns={
            "Timestamp": rows.field("time_unix_nano"),
            "Name": rows.field("name"),
            "DroppedAttributesCount": rows.field("dropped_attributes_count"),
        },
        attributes=read_attributes(rows.field("attributes")),
    )


def _links(links: pa.ListArray) -> Children:
    rows = links.values
    return Children(
        offsets=links.offsets.to_numpy(),
        columns={
            "TraceId": hex_text(rows.field("trace_id")),
            "SpanId": hex_text(rows.field("span_id")),
            "TraceState": rows.field("trace_state"),
            "DroppedAttributesCount": rows.field("dropped_attributes_count"),
            "Flags": rows.field("flags"),
        },
        attributes=read_attributes(rows.field("attributes")),
    )


def _named(codes: NDArray[np.int32], names: Sequence[str]) -> pa.DictionaryArray:
    """Name enum numbers; one that this version does not know reads as the first name."""
    named = np.where((codes >= 0) & (codes < len(names)), codes, 0).astype(np.int32)
    return words(named, list(names))


def _present(parent: pa.StructArray, name: str, default: Any) -> pa.Array:
    """Return a member of a message field, its default where the message is absent."""
    child: pa.Array = pc.struct_field(parent, name)
    return child.fill_null(default) if child.null_count else child


def _owners(lists: pa.ListArray) -> Ints:
    return pc.list_parent_indices(lists).to_numpy().astype(np.int32)
