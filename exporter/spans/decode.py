"""Turn raw OTLP export requests into one batch of columns, and say what became of each request.

The only module that knows ptars, which reads the bytes straight into nested Arrow arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from exporter.spans.batch import Bools, Children, Ints, Keys, SpanBatch
from exporter.spans.schema import SPAN_KINDS, STATUS_CODES

_ZERO_TRACE_ID = pa.scalar(bytes(16))
_ZERO_SPAN_ID = pa.scalar(bytes(8))
_HEX = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2").view(np.uint16)

_TIME_MAX_NS = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLimits:
    """What a span may be; one outside is rejected alone."""

    end_before_start_max_ns: int
    """A span may end this long before it starts (clock steps); its duration is then 0."""
    age_max_ns: int
    """A span may have started this long ago."""
    future_max_ns: int
    """A span may start this far in the future."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one request."""

    accepted: int = 0
    """Spans taken."""
    rejected: Mapping[str, int] = field(default_factory=dict[str, int])
    """Spans refused, by reason."""
    error: MalformedError | None = None
    """Why the whole request cannot be read; None when it can."""


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
        batch, verdicts = self._decode(readable, now_ns)
        sound = iter(verdicts)
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

        reasons = _rejections(spans.values, self._limits, now_ns)
        sound = reasons == 0
        verdicts = _verdicts(len(requests), request_of_span, reasons)
        rows = spans.values
        if not sound.all():
            rows = rows.filter(pa.array(sound))
            scope_of_span = scope_of_span[sound]
        trace_keys = _fold(rows.field("trace_id"), 16)
        batch = SpanBatch(
            columns=_span_columns(rows),
            trace_keys=trace_keys,
            keys=_key(trace_keys, _fold(rows.field("span_id"), 8)),
            parent_keys=_key(trace_keys, _parents(rows.field("parent_span_id"))),
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
        return batch, verdicts


def _canonical(request: bytes) -> bytes:
    try:
        message = trace_service_pb2.ExportTraceServiceRequest.FromString(request)
    except DecodeError as error:
        raise MalformedError(f"not an ExportTraceServiceRequest: {error}") from error
    return message.SerializeToString()


# Rejection ----------------------------------------------------------------------------------

REJECTION_REASONS = (
    "",
    "invalid_trace_id",
    "invalid_span_id",
    "invalid_parent_span_id",
    "time_out_of_range",
    "end_before_start",
    "too_old",
    "in_the_future",
)


def _rejections(spans: pa.StructArray, limits: SpanLimits, now_ns: int) -> NDArray[np.uint8]:
    """Return for each span the position of its reason in `REJECTION_REASONS`, 0: sound.

    Trace protobuf: an id of the wrong length or all zero is invalid.
    """
    start = spans.field("start_time_unix_nano").to_numpy()
    end = spans.field("end_time_unix_nano").to_numpy()
    parent_length = _lengths(spans.field("parent_span_id"))
    out_of_range = (start == 0) | (start > _TIME_MAX_NS) | (end > _TIME_MAX_NS)
    signed_start = start.astype(np.int64)
    # Later assignments win, so the most telling reason comes last.
    reasons = np.zeros(len(spans), dtype=np.uint8)
    checks: list[tuple[str, Bools]] = [
        ("in_the_future", signed_start > now_ns + limits.future_max_ns),
        ("too_old", signed_start < now_ns - limits.age_max_ns),
        (
            "end_before_start",
            end.astype(np.int64) < signed_start - limits.end_before_start_max_ns,
        ),
        ("time_out_of_range", out_of_range),
        ("invalid_parent_span_id", (parent_length != 0) & (parent_length != 8)),
        ("invalid_span_id", ~_is_id(spans.field("span_id"), 8, _ZERO_SPAN_ID)),
        ("invalid_trace_id", ~_is_id(spans.field("trace_id"), 16, _ZERO_TRACE_ID)),
    ]
    for reason, failed in checks:
        reasons[failed] = REJECTION_REASONS.index(reason)
    return reasons


def _is_id(ids: pa.BinaryArray, length: int, zero: pa.Scalar) -> Bools:
    nonzero = pc.not_equal(ids, zero).to_numpy(zero_copy_only=False)
    return (_lengths(ids) == length) & nonzero


def _verdicts(requests: int, request_of_span: Ints, reasons: NDArray[np.uint8]) -> list[Verdict]:
    kinds = len(REJECTION_REASONS)
    flat = request_of_span.astype(np.int64) * kinds + reasons
    counts = np.bincount(flat, minlength=requests * kinds).reshape(requests, kinds)
    # One small object for each request, not for each span.
    return [
        Verdict(
            accepted=int(row[0]),
            rejected={REJECTION_REASONS[i]: int(row[i]) for i in np.flatnonzero(row[1:]) + 1},
        )
        for row in counts
    ]


# Columns ------------------------------------------------------------------------------------


def _span_columns(spans: pa.StructArray) -> dict[str, pa.Array]:
    start = spans.field("start_time_unix_nano").to_numpy().astype(np.int64)
    end = spans.field("end_time_unix_nano").to_numpy().astype(np.int64)
    status = spans.field("status")
    return {
        "Timestamp": pa.array(start).view(pa.timestamp("ns")),
        "TraceId": _hex(spans.field("trace_id")),
        "SpanId": _hex(spans.field("span_id")),
        "ParentSpanId": _hex(spans.field("parent_span_id")),
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
            "TraceId": _hex(rows.field("trace_id")),
            "SpanId": _hex(rows.field("span_id")),
            "TraceState": rows.field("trace_state"),
            "DroppedAttributesCount": rows.field("dropped_attributes_count"),
            "Flags": rows.field("flags"),
        },
        attributes=read_attributes(rows.field("attributes")),
    )


def _fold(ids: pa.BinaryArray, length: int) -> Keys:
    """Return ids of this length as numbers of 64 bits."""
    _, offsets, data = ids.buffers()
    if not len(ids):
        return np.empty(0, dtype=np.uint64)
    start = np.frombuffer(offsets, dtype=np.int32)[ids.offset]
    raw = np.frombuffer(data, dtype=np.uint8)[start : start + len(ids) * length]
    parts = raw.view(np.uint64).reshape(len(ids), length // 8)
    folded = parts[:, 0].copy()
    for i in range(1, parts.shape[1]):
        folded = _mixed(folded) ^ parts[:, i]
    return folded


def _parents(ids: pa.BinaryArray) -> Keys:
    """Return parents' ids as numbers, 0 for a root."""
    has_parent = _lengths(ids) > 0
    numbers = np.zeros(len(ids), dtype=np.uint64)
    numbers[has_parent] = _fold(ids.filter(pa.array(has_parent)), 8)
    return numbers


def _key(trace_keys: Keys, span_ids: Keys) -> Keys:
    """Return a number for each span that is unique over traces; no span (0) stays 0.

    Ids may be small or alike, so every bit of both has to reach every bit of the number.
    """
    return np.where(span_ids == 0, np.uint64(0), _mixed(_mixed(trace_keys) + span_ids))


def _mixed(numbers: Keys) -> Keys:
    """Return numbers with their bits well spread (the finaliser of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


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


def _lengths(values: pa.BinaryArray) -> NDArray[np.int32]:
    return pc.binary_length(values).to_numpy()


def _hex(ids: pa.BinaryArray) -> pa.StringArray:
    """Return bytes as lower-case hex text, all rows at once."""
    _, offsets_buffer, data = ids.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[ids.offset : ids.offset + len(ids) + 1]
    raw = np.frombuffer(data or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    digits = _HEX[raw]
    return pa.StringArray.from_buffers(
        len(ids), pa.py_buffer((offsets - offsets[0]) * 2), pa.py_buffer(digits)
    )
