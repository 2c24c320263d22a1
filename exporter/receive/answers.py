"""What a sender is told, as OTLP 1.11 says: success, partial success, or a google.rpc.Status."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from exporter.errors import ObservatoryError, RetryableError, response_to
from exporter.spans.rejection import Verdict

UNSUPPORTED_SIGNAL = "this service takes traces only (opentelemetry.proto.collector.trace.v1)"

_ADVICE: Mapping[str, str] = {
    "invalid_trace_id": "trace_id must be 16 bytes, not all zero",
    "invalid_span_id": "span_id must be 8 bytes, not all zero",
    "invalid_parent_span_id": "parent_span_id must be 8 bytes or empty",
    "time_out_of_range": "times must be nanoseconds since 1970, not 0",
    "end_before_start": "the span ends before it starts",
    "too_old": "the span is older than this service keeps",
    "in_the_future": "the span starts in the future: check the sender's clock",
}


def success(verdict: Verdict) -> ExportTraceServiceResponse:
    """Return the answer to a readable request: `partial_success` only if spans were refused."""
    answer = ExportTraceServiceResponse()
    if verdict.rejected:
        answer.partial_success.rejected_spans = sum(verdict.rejected.values())
        answer.partial_success.error_message = "; ".join(
            f"{count} x {reason}: {_ADVICE[reason]}"
            for reason, count in sorted(verdict.rejected.items())
        )
    return answer


def failure(error: ObservatoryError) -> Status:
    """Return the Status of a refusal; a retryable one says when to come back."""
    status = Status(code=response_to(error).grpc, message=str(error))
    if isinstance(error, RetryableError):
        whole, fraction = divmod(error.retry_after_s, 1)
        delay = Duration(seconds=int(whole), nanos=int(fraction * 1e9))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status
