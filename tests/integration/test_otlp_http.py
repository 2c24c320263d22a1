"""OTLP over HTTP as the specification 1.11 describes it, against the real service."""

import gzip
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import zstandard
from google.protobuf import json_format
from google.rpc import error_details_pb2  # noqa: F401 - json_format finds RetryInfo here
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.support.clickhouse_http import ClickHouseServer, clickhouse_http_server
from tests.support.otlp import NS, request, span
from tests.support.prometheus import wait_until
from tests.support.service import (
    JSON,
    PROTOBUF,
    Answer,
    Service,
    http,
    recent_call,
    running_service,
    store_url,
)

SECRET = "my secret prompt"
SPANS = "llm_observatory_spans_total"


def otlp_json(span: dict[str, Any] | None = None, **more: Any) -> bytes:
    """Return a request in OTLP/JSON with one sound span, and these fields in it."""
    sound = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "name": "from json",
        "kind": 3,
        "startTimeUnixNano": str(time.time_ns() - NS),
        "endTimeUnixNano": time.time_ns(),
        "attributes": [{"key": "count", "value": {"intValue": "7"}}],
    }
    scope = {"scope": {"name": "s"}, "spans": [sound | (span or {})]}
    return json.dumps({"resourceSpans": [{"scopeSpans": [scope]}]} | more).encode()


def response(answer: Answer) -> ExportTraceServiceResponse:
    assert answer.status == 200, answer
    if answer.media == JSON:
        return json_format.Parse(answer.body, ExportTraceServiceResponse())
    return ExportTraceServiceResponse.FromString(answer.body)


def status(answer: Answer) -> Status:
    """Read the google.rpc.Status that a refusal must carry in the request's own form."""
    if answer.media == JSON:
        return json_format.Parse(answer.body, Status())
    assert answer.media == PROTOBUF
    return Status.FromString(answer.body)


def gzip_members(body: bytes) -> bytes:
    half = len(body) // 2
    return gzip.compress(body[:half]) + gzip.compress(body[half:])


def zstd_frames(body: bytes) -> bytes:
    half = len(body) // 2
    compress = zstandard.ZstdCompressor().compress
    return compress(body[:half]) + compress(body[half:])


ENCODINGS = {
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "gzip in capitals": ("GZIP", gzip.compress),
    "gzip of several members": ("gzip", gzip_members),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd without a size": ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress),
    "zstd of several frames": ("zstd", zstd_frames),
}


@pytest.mark.parametrize(("encoding", "compress"), ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_a_body_is_read_in_each_form(service: Service, encoding: str, compress: Any, media: str):
    body = otlp_json() if media == JSON else request(recent_call())
    before = service.metrics().value(SPANS, outcome="accepted")
    answer = service.export(compress(body), media, Content_Encoding=encoding)
    assert response(answer) == ExportTraceServiceResponse()
    assert not response(answer).HasField("partial_success")
    assert answer.media == media
    assert service.metrics().value(SPANS, outcome="accepted") == before + 1


@pytest.mark.parametrize(
    ("body", "media"),
    [
        pytest.param(b"", PROTOBUF, id="protobuf"),
        pytest.param(b"{}", JSON, id="json"),
        pytest.param(b'{"resourceSpans":[]}', JSON, id="json with no resource"),
        pytest.param(b'{"resourceSpans":[{"scopeSpans":[{}]}]}', JSON, id="json with no span"),
    ],
)
def test_an_empty_request_succeeds(service: Service, body: bytes, media: str):
    assert response(service.export(body, media)) == ExportTraceServiceResponse()


def test_a_content_type_may_have_parameters(service: Service):
    answer = service.export(otlp_json(), "Application/JSON; charset=utf-8")
    assert response(answer) == ExportTraceServiceResponse()
    assert answer.media == JSON


def test_a_request_without_any_attribute_is_processed(service: Service):
    bare = span(name="bare", start_ns=time.time_ns() - 2 * NS)
    assert service.export(request(bare, resource={})).status == 200
    service.wait_for(lambda m: not m.value("llm_observatory_buffer_spans"))
    assert service.metrics().value(SPANS, outcome="dropped") == 0
    assert service.rows(1, "SELECT SpanAttributes FROM otel_traces WHERE SpanName = 'bare'")


def test_an_event_time_beyond_what_columns_hold_harms_no_span(service: Service):
    odd = Span.Event(name="odd", time_unix_nano=2**64 - 1)
    spans = [recent_call(name="odd time", events=[odd]), recent_call(name="odd time", number=2)]
    before = service.metrics().value(SPANS, outcome="dropped")
    service.export(request(*spans))
    service.export(request(recent_call(name="after")))
    service.rows(1, "SELECT SpanName FROM otel_traces WHERE SpanName = 'after'")
    assert service.metrics().value(SPANS, outcome="dropped") == before


# What is refused ----------------------------------------------------------------------------


def test_partial_success_counts_the_refused_spans_and_says_why(service: Service):
    good = [recent_call(number=1), recent_call(number=2)]
    bad = [recent_call(trace_id=b"\1" * 15), recent_call(span_id=b"")]
    late = recent_call(start_ns=time.time_ns() + 3 * 3600 * NS)
    before = service.metrics()
    partial = response(service.export(request(*good, *bad, late))).partial_success
    assert partial.rejected_spans == 3
    assert partial.error_message == (
        "1 x in_the_future: the span starts in the future: check the sender's clock; "
        "1 x invalid_span_id: span_id must be 8 bytes, not all zero; "
        "1 x invalid_trace_id: trace_id must be 16 bytes, not all zero"
    )
    after = service.metrics()
    for labels, count in [
        ({"outcome": "accepted", "reason": ""}, 2),
        ({"outcome": "rejected", "reason": "in_the_future"}, 1),
        ({"outcome": "rejected", "reason": "invalid_span_id"}, 1),
        ({"outcome": "rejected", "reason": "invalid_trace_id"}, 1),
    ]:
        assert after.value(SPANS, **labels) == before.value(SPANS, **labels) + count, labels


LIMIT = 64 * 1024 * 1024
REFUSALS = {
    "truncated protobuf": (request(recent_call())[:-3], {}, 400, "ExportTraceServiceRequest"),
    "no protobuf": (b"\xff" * 40, {}, 400, "ExportTraceServiceRequest"),
    "JSON cut off": (otlp_json()[:-5], {"Content-Type": JSON}, 400, "not OTLP/JSON"),
    "JSON list": (b"[]", {"Content-Type": JSON}, 400, "the JSON is not an object"),
    "JSON not text": (b"\xff\xfe{", {"Content-Type": JSON}, 400, "not OTLP/JSON"),
    "wrong type": (b"", {"Content-Type": "text/plain"}, 415, "content-type 'text/plain'"),
    "no type": (b"", {"Content-Type": ""}, 415, "content-type ''"),
    "wrong encoding": (b"", {"Content-Encoding": "br"}, 415, "content-encoding 'br'"),
    "two encodings": (b"", {"Content-Encoding": "gzip, zstd"}, 415, "'gzip, zstd'"),
    "not gzip": (b"plain", {"Content-Encoding": "gzip"}, 400, "not valid gzip"),
    "gzip cut off": (
        gzip.compress(request(recent_call()))[:-9],
        {"Content-Encoding": "gzip"},
        400,
        "not valid gzip",
    ),
    "not zstd": (b"plain", {"Content-Encoding": "zstd"}, 400, "not valid zstd"),
    "zstd cut off": (
        zstandard.ZstdCompressor().compress(request(recent_call()))[:-9],
        {"Content-Encoding": "zstd"},
        400,
        "not valid zstd",
    ),
    "zstd with nothing but a header": (
        zstandard.ZstdCompressor().compress(request(recent_call()))[:6],
        {"Content-Encoding": "zstd"},
        400,
        "not valid zstd",
    ),
    "too large by gzip": (
        gzip.compress(bytes(LIMIT + 1)),
        {"Content-Encoding": "gzip"},
        413,
        f"larger than {LIMIT} bytes after decompression",
    ),
    "too large by zstd": (
        zstandard.ZstdCompressor().compress(bytes(LIMIT + 1)),
        {"Content-Encoding": "zstd"},
        413,
        f"larger than {LIMIT} bytes after decompression",
    ),
}


@pytest.mark.parametrize(
    ("body", "headers", "code", "message"), REFUSALS.values(), ids=REFUSALS.keys()
)
def test_a_refusal_has_its_status_and_says_why(
    service: Service, body: bytes, headers: dict[str, str], code: int, message: str
):
    answer = http(service.traces_url, body, {"Content-Type": PROTOBUF} | headers)
    assert answer.status == code
    assert message in status(answer).message
    # Only these are repeated by a sender: none of the above may be.
    assert "Retry-After" not in answer.headers
    assert not status(answer).details
    assert status(answer).code in {3, 8}


def test_a_body_above_the_limit_is_refused_without_compression(
    tmp_path: Path, clickhouse: ClickHouseServer
):
    with running_service(
        tmp_path, clickhouse_url=store_url(clickhouse), request_max_bytes=2048
    ) as small:
        assert small.export(request(recent_call(), scope="x" * 3000)).status == 413
        assert small.export(request(recent_call(), scope="x" * 1000)).status == 200


QUOTING = {
    "name that is no text": {"name": [SECRET]},
    "time that is none": {"startTimeUnixNano": SECRET},
    "attributes that are no list": {"attributes": SECRET},
    "links that are no list": {"links": SECRET},
    "link that is no object": {"links": [SECRET]},
    "text that is no UTF-8": {"name": f"{SECRET}\ud800"},
}


@pytest.mark.parametrize("fields", QUOTING.values(), ids=QUOTING)
def test_a_refusal_does_not_quote_the_body(service: Service, fields: dict[str, Any]):
    answer = service.export(otlp_json(fields), JSON)
    assert answer.status == 400
    assert status(answer).message
    for word in SECRET.split():
        assert word not in answer.body.decode()
    assert SECRET not in service.output


def test_a_refusal_of_protobuf_does_not_quote_the_body(service: Service):
    answer = service.export(request(recent_call({"gen_ai.prompt": SECRET}))[:-1])
    assert answer.status == 400
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
@pytest.mark.parametrize("signal", ["metrics", "logs", "profiles"])
def test_other_signals_are_refused_with_an_explanation(service: Service, signal: str, media: str):
    answer = http(f"{service.endpoints.otlp_http}/v1/{signal}", b"", {"Content-Type": media})
    assert answer.status == 404
    assert status(answer).message == (
        "this service takes traces only (opentelemetry.proto.collector.trace.v1)"
    )


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_taken(service: Service, method: str):
    answer = http(service.traces_url, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"


# OTLP/JSON ----------------------------------------------------------------------------------


def stored_json(service: Service, name: str, fields: dict[str, Any], columns: str) -> Any:
    """Send one span of this name and return its row."""
    answer = service.export(otlp_json({"name": name} | fields), JSON)
    assert response(answer) == ExportTraceServiceResponse()
    select = f"SELECT {columns} FROM otel_traces WHERE SpanName = %(name)s"
    return service.rows(1, select, name=name)[0]


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title])
def test_json_ids_are_hex_in_any_case(service: Service, change: Any):
    name = f"ids {change.__name__}"
    ids = {
        "traceId": change("0af7651916cd43dd8448eb211c80319c"),
        "spanId": change("b7ad6b7169203331"),
        "parentSpanId": change("00f067aa0ba902b7"),
        "links": [{"traceId": change("a" * 32), "spanId": change("b" * 16)}],
    }
    columns = "TraceId, SpanId, ParentSpanId, Links.TraceId, Links.SpanId"
    assert stored_json(service, name, ids, columns) == (
        "0af7651916cd43dd8448eb211c80319c",
        "b7ad6b7169203331",
        "00f067aa0ba902b7",
        ["a" * 32],
        ["b" * 16],
    )


@pytest.mark.parametrize("form", [str, int])
def test_json_integers_are_text_or_numbers(service: Service, form: Any):
    name, start = f"int64 as {form.__name__}", time.time_ns() // NS * NS
    fields = {
        "startTimeUnixNano": form(start),
        "endTimeUnixNano": form(start + 1_234_567_891),
        "attributes": [{"key": "big", "value": {"intValue": form(2**63 - 1)}}],
    }
    columns = "toUnixTimestamp64Nano(Timestamp), Duration, SpanAttributes, SpanAttributeTypes"
    assert stored_json(service, name, fields, columns) == (
        start,
        1_234_567_891,
        {"big": "9223372036854775807"},
        {"big": "int"},
    )


def test_json_fields_that_are_not_known_are_ignored(service: Service):
    fields = {"someday": {"a": [1]}, "attributes": [{"key": "k", "value": {"intValue": 1}, "x": 2}]}
    assert stored_json(service, "unknown fields", fields, "SpanAttributes") == ({"k": "1"},)


def test_json_enums_are_numbers(service: Service):
    fields = {"kind": 5, "status": {"code": 2, "message": "m"}}
    columns = "SpanKind, StatusCode, StatusMessage"
    assert stored_json(service, "enums", fields, columns) == ("Consumer", "Error", "m")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"traceId": "xyz"}, "invalid_trace_id", id="no hex"),
        pytest.param({"traceId": "abc"}, "invalid_trace_id", id="half a byte"),
        pytest.param({"traceId": "AAAAAAAAAAAAAAAAAAAAAA=="}, "invalid_trace_id", id="base64"),
        pytest.param({"traceId": ""}, "invalid_trace_id", id="empty"),
        pytest.param({"traceId": "0" * 32}, "invalid_trace_id", id="zero"),
        pytest.param({"spanId": "zz"}, "invalid_span_id", id="span"),
        pytest.param({"parentSpanId": "nothex"}, "invalid_parent_span_id", id="parent"),
    ],
)
def test_a_bad_json_id_rejects_its_span_alone(
    service: Service, fields: dict[str, str], reason: str
):
    both = json.loads(otlp_json(fields))
    spans = both["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans += json.loads(otlp_json())["resourceSpans"][0]["scopeSpans"][0]["spans"]
    before = service.metrics()
    partial = response(service.export(json.dumps(both).encode(), JSON)).partial_success
    assert partial.rejected_spans == 1
    assert reason in partial.error_message
    after = service.metrics()
    assert after.value(SPANS, reason=reason) == before.value(SPANS, reason=reason) + 1
    assert after.value(SPANS, outcome="accepted") == before.value(SPANS, outcome="accepted") + 1


# Overload -----------------------------------------------------------------------------------


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Service]:
    """A service whose store has gone and whose buffer is full, with room for two requests."""
    with clickhouse_http_server(tmp_path / "engine") as server:
        limits = {
            "waiting_max_requests": 2,
            "hold_max_spans": 1,
            "buffer_max_bytes": 1024,
            "retry_after_s": 7,
        }
        with running_service(tmp_path, clickhouse_url=store_url(server), **limits) as running:
            server.kill()
            yield running


def test_a_full_queue_asks_senders_to_come_back(stuck: Service):
    # Requests are taken until the buffer and what is before it are full; then two wait.
    body = request(recent_call())
    waiting: list[Future[Answer]] = []
    with ThreadPoolExecutor(4) as threads:

        def full() -> bool:
            if sum(not future.done() for future in waiting) < 2:
                waiting.append(threads.submit(stuck.export, body))
            return stuck.metrics().value("llm_observatory_queue_requests") == 2

        wait_until(full, 20, lambda: stuck.output)
        for media, refused in [(PROTOBUF, body), (JSON, otlp_json())]:
            answer = stuck.export(refused, media)
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "7"
            assert answer.media == media
            assert status(answer).code == 14
            assert "2 requests are waiting" in status(answer).message
        assert stuck.metrics().value(
            "llm_observatory_requests_total", outcome="OverloadedError"
        ) == len([PROTOBUF, JSON])
        stuck.kill()
        for future in waiting[-2:]:
            with pytest.raises((OSError, HTTPException)):
                future.result()


# Real exporters -----------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_real_exporter_is_understood(service: Service, compression: Compression):
    name = f"sdk {compression.value}"
    exporter = OTLPSpanExporter(service.traces_url, compression=compression)
    provider = TracerProvider(resource=Resource({"service.name": "sdk"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span(name, attributes={"n": 1}) as span:
        span.add_event("event", {"e": True})
    provider.shutdown()
    columns = "ServiceName, SpanAttributes, Events.Name, Events.Attributes"
    select = f"SELECT {columns} FROM otel_traces WHERE SpanName = %(name)s"
    assert service.rows(1, select, name=name) == [("sdk", {"n": "1"}, ["event"], [{"e": "true"}])]
