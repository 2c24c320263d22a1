"""A trace of the hurried demo at another time, as slow as it should have been."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from tests.support.otlp import NS

# How much faster than real the demo runs.
SPEED = 10
# Times that an SDK measures itself, in seconds, and says as an attribute.
_MEASURED = ("time_to_first_chunk", "time_to_first_token")


def moved(trace: TracesData, end_ns: int, salt: int) -> ExportTraceServiceRequest:
    """Return a trace at another time, as slow as it should have been, under an id of its own."""
    copy = ExportTraceServiceRequest.FromString(trace.SerializeToString())
    found = list(spans(copy))
    last = max(span.end_time_unix_nano for span in found)

    def at(before: int) -> int:
        return end_ns - (last - before) * SPEED

    for span in found:
        head, tail = int.from_bytes(span.trace_id[:8], "big"), span.trace_id[8:]
        span.trace_id = (head ^ salt).to_bytes(8, "big") + tail
        span.start_time_unix_nano = at(span.start_time_unix_nano)
        span.end_time_unix_nano = at(span.end_time_unix_nano)
        for event in span.events:
            event.time_unix_nano = at(event.time_unix_nano)
        for attribute in span.attributes:
            if attribute.key.endswith(_MEASURED):
                attribute.value.double_value *= SPEED
    return copy


def spans(of: TracesData | ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in of.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def seconds_of(trace: TracesData) -> float:
    """How long the trace takes once it is as slow as it should be."""
    found = list(spans(trace))
    first = min(span.start_time_unix_nano for span in found)
    return (max(span.end_time_unix_nano for span in found) - first) * SPEED / NS
