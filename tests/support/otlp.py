"""Build OTLP export requests for tests: plain Python values in, protobuf bytes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

NS = 1_000_000_000
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * NS

OK, ERROR = Status.STATUS_CODE_OK, Status.STATUS_CODE_ERROR

Attributes = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""By key, or as pairs where a key occurs twice."""


def any_value(value: Any) -> AnyValue:  # noqa: PLR0911  # one return for each kind
    """Return a Python value as OTLP's AnyValue; None is the empty one."""
    match value:
        case AnyValue():
            return value
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case Mapping():
            return AnyValue(kvlist_value={"values": key_values(value)})
        case _:
            return AnyValue(array_value={"values": [any_value(item) for item in value]})


def key_values(attributes: Attributes) -> list[KeyValue]:
    pairs = attributes.items() if isinstance(attributes, Mapping) else attributes
    return [KeyValue(key=key, value=any_value(value)) for key, value in pairs]


def event(name: str, attributes: Attributes = (), *, at_ns: int = NOON_NS) -> Span.Event:
    return Span.Event(name=name, time_unix_nano=at_ns, attributes=key_values(attributes))


def span(
    attributes: Attributes = (),
    *,
    number: int = 1,
    trace: int = 1,
    parent: int = 0,
    name: str = "span",
    start_ns: int = NOON_NS,
    duration_ns: int = NS,
    status: int = Status.STATUS_CODE_UNSET,
    events: Iterable[Span.Event] = (),
    **fields: Any,
) -> Span:
    """Return a sound span; `number`, `trace` and `parent` stand for ids (parent 0: a root).

    Any other field of the protobuf message can be given, or replaced, by its own name.
    """
    return Span(**{
        "trace_id": trace.to_bytes(16, "big"),
        "span_id": number.to_bytes(8, "big"),
        "parent_span_id": parent.to_bytes(8, "big") if parent else b"",
        "name": name,
        "start_time_unix_nano": start_ns,
        "end_time_unix_nano": start_ns + duration_ns,
        "attributes": key_values(attributes),
        "events": list(events),
        "status": Status(code=status),
    } | fields)  # fmt: skip


def request(
    *spans: Span, resource: Attributes = (("service.name", "shop"),), scope: str = ""
) -> bytes:
    """Return the bytes of a request with one resource and one scope."""
    scope_spans = ScopeSpans(scope={"name": scope}, spans=spans)
    resource_spans = ResourceSpans(
        resource={"attributes": key_values(resource)}, scope_spans=[scope_spans]
    )
    return ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString()
