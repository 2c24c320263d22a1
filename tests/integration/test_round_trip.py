"""What goes in over OTLP comes out of the Tempo API, equal in every field."""

import time
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import (
    ResourceSpans,
    ScopeSpans,
    Span,
    Status,
    TracesData,
)

from exporter.query.stored_spans import PROFILE_ID
from tests.support.otlp import NS, any_value
from tests.support.prometheus import wait_until
from tests.support.service import Service, http

PROTOBUF = {"Accept": "application/protobuf"}
TEXT = st.text(max_size=12)
UINT32 = st.integers(0, 2**32 - 1)
IDS = st.binary(min_size=8, max_size=8).filter(any)
SCALARS = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=8),
    st.none(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=3,
).map(any_value)
# Few keys, so that some occur twice, and content among the others.
KEYS = st.one_of(
    st.sampled_from(["a", "b", "gen_ai.input.messages", "gen_ai.prompt.0.content", "input.value"]),
    TEXT,
)
ATTRIBUTES = st.lists(st.builds(KeyValue, key=KEYS, value=VALUES), max_size=4)
TIMES = st.integers(0, 2**63 - 1)
EVENTS = st.builds(
    Span.Event,
    time_unix_nano=TIMES,
    name=TEXT,
    attributes=ATTRIBUTES,
    dropped_attributes_count=UINT32,
)
LINKS = st.builds(
    Span.Link,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    trace_state=TEXT,
    attributes=ATTRIBUTES,
    dropped_attributes_count=UINT32,
    flags=UINT32,
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = time.time_ns() - draw(st.integers(0, 3600 * NS))
    return Span(
        trace_id=b"",
        span_id=draw(IDS),
        parent_span_id=draw(st.one_of(st.just(b""), IDS)),
        trace_state=draw(TEXT),
        name=draw(TEXT),
        kind=draw(st.sampled_from(Span.SpanKind.values())),
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.integers(0, 3600 * NS)),
        attributes=draw(ATTRIBUTES),
        dropped_attributes_count=draw(UINT32),
        events=draw(st.lists(EVENTS, max_size=1)),
        dropped_events_count=draw(UINT32),
        links=draw(st.lists(LINKS, max_size=1)),
        dropped_links_count=draw(UINT32),
        status=Status(code=draw(st.sampled_from(Status.StatusCode.values())), message=draw(TEXT)),
        flags=draw(UINT32),
    )


SERVICE = KeyValue(key="service.name", value=AnyValue(string_value="shop"))
RESOURCES = st.builds(
    Resource,
    attributes=ATTRIBUTES.map(lambda attributes: [*attributes, SERVICE]),
    dropped_attributes_count=UINT32,
    entity_refs=st.lists(
        st.fixed_dictionaries(
            {"type": TEXT, "schema_url": TEXT, "id_keys": st.lists(TEXT, max_size=2)}
        ),
        max_size=1,
    ),
)
SCOPES = st.builds(
    InstrumentationScope,
    name=TEXT,
    version=TEXT,
    attributes=ATTRIBUTES,
    dropped_attributes_count=UINT32,
)
SCOPE_SPANS = st.builds(
    ScopeSpans, scope=SCOPES, spans=st.lists(spans(), min_size=1, max_size=2), schema_url=TEXT
)
REQUESTS = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            ResourceSpans,
            resource=RESOURCES,
            scope_spans=st.lists(SCOPE_SPANS, min_size=1, max_size=1),
            schema_url=TEXT,
        ),
        min_size=1,
        max_size=2,
    ),
)


def each_span(resources: Sequence[ResourceSpans]) -> dict[bytes, tuple[Any, ...]]:
    """Return for each span all that is said of it, and of whose it is."""
    return {
        span.span_id: (
            *(resource.resource, resource.schema_url),
            *(of_scope.scope, of_scope.schema_url),
            span,
        )
        for resource in resources
        for of_scope in resource.scope_spans
        for span in of_scope.spans
    }


def with_trace_id(message: ExportTraceServiceRequest, trace_id: bytes) -> list[Span]:
    """Give every span the trace's id, and an id of its own."""
    found: list[Span] = []
    for resource in message.resource_spans:
        for of_scope in resource.scope_spans:
            for span in of_scope.spans:
                span.trace_id = trace_id
                span.span_id = len(found).to_bytes(1, "big") + span.span_id[1:7] + b"\1"
                found.append(span)
    return found


numbers = iter(range(1, 2**31))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(message=REQUESTS)
def test_what_goes_in_comes_out(service: Service, message: ExportTraceServiceRequest):
    trace_id = next(numbers).to_bytes(16, "big")
    sent = with_trace_id(message, trace_id)
    before = _stored(service)
    answer = service.export(message.SerializeToString())
    assert answer.status == 200
    # A client that did not hear the answer sends again.
    assert service.export(message.SerializeToString()).status == 200
    service.wait_until_stored(before + 2 * len(sent))
    url = f"{service.endpoints.api}/tempo/api/traces/{trace_id.hex()}"
    expected = each_span(message.resource_spans)
    given_back: dict[bytes, tuple[Any, ...]] = {}

    def is_whole() -> bool:
        # Content is written a moment after the spans that it is of.
        nonlocal given_back
        found = TracesData.FromString(http(url, headers=PROTOBUF).body)
        assert sum(len(s.spans) for r in found.resource_spans for s in r.scope_spans) == len(sent)
        given_back = each_span(found.resource_spans)
        for *_, span in given_back.values():
            assert span.attributes.pop().key == PROFILE_ID
        return given_back == expected

    wait_until(is_whole, 5.0, lambda: _difference(given_back, expected))


def _difference(
    given_back: dict[bytes, tuple[Any, ...]], expected: dict[bytes, tuple[Any, ...]]
) -> str:
    return "\n".join(
        f"--- came\n{one}\n--- went in\n{other}"
        for span_id, wanted in expected.items()
        for one, other in zip(given_back.get(span_id, ()), wanted, strict=False)
        if one != other
    )


def _stored(service: Service) -> int:
    rows: Any = service.metrics()
    return int(rows.value("llm_observatory_rows_total", table="otel_traces", outcome="ok"))
