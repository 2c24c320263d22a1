"""OTLP over gRPC as the specification 1.11 describes it, against the real service."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.otlp import NS, request
from tests.support.prometheus import wait_until
from tests.support.service import Service, recent_call, running_service, store_url

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SPANS = "llm_observatory_spans_total"
MIB = 1024 * 1024


@contextmanager
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.grpc_target) as opened:
        yield opened


def export(
    service: Service, body: bytes, method: str = TRACES, compression: grpc.Compression | None = None
) -> ExportTraceServiceResponse:
    with channel(service) as opened:
        answer = opened.unary_unary(method)(body, timeout=30, compression=compression)
        return ExportTraceServiceResponse.FromString(answer)


def refusal(service: Service, body: bytes, **options: object) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as error:
        export(service, body, **options)
    return error.value


def retry_info(error: grpc.RpcError) -> RetryInfo | None:
    """Return the RetryInfo in the status details: without one, RESOURCE_EXHAUSTED is final."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = Status.FromString(value)
            assert status.code == error.code().value[0]
            assert status.message == error.details()
            for detail in status.details:
                info = RetryInfo()
                if detail.Unpack(info):
                    return info
    return None


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_success_has_no_partial_success(service: Service, compression: grpc.Compression):
    before = service.metrics().value(SPANS, outcome="accepted")
    answer = export(service, request(recent_call()), compression=compression)
    assert not answer.HasField("partial_success")
    assert service.metrics().value(SPANS, outcome="accepted") == before + 1


def test_an_empty_request_succeeds(service: Service):
    assert export(service, b"") == ExportTraceServiceResponse()


def test_partial_success_counts_the_refused_spans(service: Service):
    bad = recent_call(start_ns=time.time_ns() - 40 * 86_400 * NS)
    partial = export(service, request(recent_call(), bad)).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message == "1 x too_old: the span is older than this service keeps"


def test_unreadable_bytes_are_an_invalid_argument(service: Service):
    before = service.metrics().value("llm_observatory_requests_total", outcome="MalformedError")
    error = refusal(service, request(recent_call({"gen_ai.prompt": "my secret prompt"}))[:-2])
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "ExportTraceServiceRequest" in error.details()
    assert "secret" not in error.details()
    assert retry_info(error) is None
    after = service.metrics().value("llm_observatory_requests_total", outcome="MalformedError")
    assert after == before + 1


@pytest.mark.parametrize("signal", ["metrics.v1.Metrics", "logs.v1.Logs"])
def test_other_signals_are_unimplemented_with_an_explanation(service: Service, signal: str):
    method = f"/opentelemetry.proto.collector.{signal}Service/Export"
    error = refusal(service, b"", method=method)
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert error.details() == (
        "this service takes traces only (opentelemetry.proto.collector.trace.v1)"
    )


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_above_the_limit_is_refused_for_good(
    service: Service, compression: grpc.Compression
):
    # Compressed it is 64 KiB: the limit is on what comes out.
    error = refusal(service, bytes(64 * MIB + 1), compression=compression)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_info(error) is None
    assert export(service, b"") == ExportTraceServiceResponse()


def test_bombs_do_not_fill_the_memory(service: Service):
    """Eight at once are 768 MiB when decompressed."""
    before = service.reset_memory_peak()
    with channel(service) as opened, ThreadPoolExecutor(8) as threads:
        call = opened.unary_unary(TRACES)
        bomb = bytes(96 * MIB)
        futures = [
            threads.submit(call, bomb, timeout=30, compression=grpc.Compression.Gzip)
            for _ in range(8)
        ]
        for future in futures:
            with pytest.raises(grpc.RpcError) as error:
                future.result()
            assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    # Two cores read two at a time, each up to the limit.
    assert service.memory_peak_bytes() - before < 256 * MIB
    assert export(service, b"") == ExportTraceServiceResponse()


def test_a_full_queue_asks_senders_to_come_back(tmp_path: Path):
    body = request(recent_call())
    limits = {
        "waiting_max_requests": 2,
        "hold_max_spans": 1,
        "buffer_max_bytes": 1024,
        "retry_after_s": 2.5,
    }
    with (
        clickhouse_http_server(tmp_path / "engine") as server,
        running_service(tmp_path, clickhouse_url=store_url(server), **limits) as service,
        channel(service) as opened,
    ):
        server.kill()
        call = opened.unary_unary(TRACES)
        # Requests are taken until the buffer and what is before it are full; then two wait.
        waiting: list[grpc.Future] = []

        def full() -> bool:
            if sum(not future.done() for future in waiting) < 2:
                waiting.append(call.future(body))
            return service.metrics().value("llm_observatory_queue_requests") == 2

        wait_until(full, 20, lambda: service.output)
        error = refusal(service, body)
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error.details()
        assert error.details() == "2 requests are waiting"
        info = retry_info(error)
        assert info is not None
        assert (info.retry_delay.seconds, info.retry_delay.nanos) == (2, 500_000_000)
        for future in waiting:
            future.cancel()


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_real_exporter_is_understood(service: Service, compression: grpc.Compression):
    name = f"sdk {compression.name}"
    exporter = OTLPSpanExporter(service.grpc_target, insecure=True, compression=compression)
    provider = TracerProvider(resource=Resource({"service.name": "sdk"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span(name, attributes={"n": 1.5}):
        pass
    provider.shutdown()
    select = "SELECT ServiceName, SpanAttributes FROM otel_traces WHERE SpanName = %(name)s"
    assert service.rows(1, select, name=name) == [("sdk", {"n": "1.5"})]
