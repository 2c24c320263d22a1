"""Each service of the demo shop, in its own process, exporting to a real OTLP receiver."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from exporter.demo.answers import MODELS, count_tokens
from exporter.demo.providers import ProviderServer
from exporter.demo.shop import SERVICES, Protocol, Service
from exporter.demo.stand_in import Ledger
from exporter.demo.visits import FAULT_FIRST, Visit, visits

ROUNDS = FAULT_FIRST + 2  # Some visits that go well, and one that meets a fault.
SEED = 7
TIMEOUT_S = 60
POLL_S = 0.01  # How soon an HTTP server notices that it should stop.


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One span as it arrived."""

    name: str
    scope: str
    span_id: str
    parent_id: str
    failed: bool
    exceptions: list[str]
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keep every span that arrives over gRPC or HTTP."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self._lock = threading.Lock()

    def Export(self, request, _context):  # noqa: N802 - gRPC's name
        with self._lock:
            self.spans.extend(_received(request))
        return trace_service_pb2.ExportTraceServiceResponse()


def _received(request) -> Iterator[Received]:
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Received(
                    name=span.name,
                    scope=scope.scope.name,
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    exceptions=[
                        item.value.string_value
                        for event in span.events
                        for item in event.attributes
                        if item.key == "exception.type"
                    ],
                    attributes={a.key: _value(a.value) for a in span.attributes},
                    resource={a.key: _value(a.value) for a in group.resource.attributes},
                )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


@pytest.fixture(scope="module")
def receiver() -> Iterator[tuple[Receiver, Mapping[Protocol, str]]]:
    """A receiver and its addresses."""
    received = Receiver()
    grpc_server = grpc.server(futures.ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(received, grpc_server)
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            answer = received.Export(request, None).SerializeToString()
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http_server.serve_forever, args=(POLL_S,))
    thread.start()
    yield (
        received,
        {
            Protocol.GRPC: f"http://127.0.0.1:{grpc_port}",
            Protocol.HTTP: f"http://127.0.0.1:{http_server.server_port}",
        },
    )
    http_server.shutdown()
    thread.join()
    http_server.server_close()
    grpc_server.stop(None).wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What all services together sent, and what the stand-in billed them for it."""

    spans: list[Received]
    ledger: Ledger

    def of(self, service: str) -> list[Received]:
        """Return the spans of one service."""
        return [span for span in self.spans if span.resource["service.name"] == service]


@pytest.fixture(scope="module")
def shop(receiver: tuple[Receiver, Mapping[Protocol, str]]) -> Shop:
    """Run every service for a few rounds, all at once."""
    received, urls = receiver
    with ProviderServer(seed=SEED) as provider:
        processes = [
            subprocess.Popen(
                _command(service, urls[service.protocol], provider.url),
                stderr=subprocess.PIPE,
            )
            for service in SERVICES.values()
        ]
        ends = [
            (process.communicate(timeout=TIMEOUT_S), process.returncode) for process in processes
        ]
        assert ends == [((None, b""), 0)] * len(processes)
        return Shop(spans=received.spans, ledger=provider.ledger)


def test_services_say_who_they_are(shop: Shop) -> None:
    for service in SERVICES.values():
        resource = shop.of(service.name)[0].resource
        assert resource["service.version"] == service.release
        assert resource["deployment.environment.name"] == service.environment


def test_every_span_of_a_visit_says_whose_it_is(shop: Shop) -> None:
    for service in SERVICES.values():
        expected = {
            (visit.user_id, visit.session_id, visit.tenant_id, visit.feature)
            for visit in _visits(service.name)
        }
        keys = ("user.id", "session.id", "tenant.id", "feature")
        stamps = {tuple(span.attributes.get(key) for key in keys) for span in shop.of(service.name)}
        # Work at the start of a service belongs to nobody.
        assert stamps - {(None, None, None, None)} == expected


def test_storefront_chat_sends_opentelemetrys_own_convention(shop: Shop) -> None:
    calls = _by_scope(shop, "storefront-chat", "opentelemetry.instrumentation.genai.openai")
    chats = [span for span in calls if span.attributes["gen_ai.operation.name"] == "chat"]
    embeddings = [span for span in calls if span not in chats]
    assert len(embeddings) == ROUNDS + 1  # And one for the help pages.
    assert (
        sum(span.attributes["gen_ai.usage.input_tokens"] for span in embeddings)
        == (shop.ledger.input_tokens["text-embedding-3-small"])
    )
    assert [span.attributes["error.type"] for span in chats if span.failed] == [
        "openai.InternalServerError"
    ]
    for model in ("gpt-4o-mini", "gpt-5.4-mini"):
        answered = [
            span.attributes
            for span in chats
            if span.attributes.get("gen_ai.response.model") == MODELS[model].dated
        ]
        assert _sum(answered, "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens") == (
            _billed(shop, model)
        )
    retrievals = [span for span in shop.of("storefront-chat") if span.name.startswith("retrieval")]
    assert len(retrievals) == ROUNDS


def test_support_agent_sends_openllmetry_inside_an_agent(shop: Shop) -> None:
    spans = shop.of("support-agent")
    calls = _by_scope(shop, "support-agent", "opentelemetry.instrumentation.anthropic")
    agents = {span.span_id for span in spans if span.name == "invoke_agent support"}
    assert len(agents) == ROUNDS
    assert {span.parent_id for span in calls} == agents
    assert [span.attributes["error.type"] for span in calls if span.failed] == ["OverloadedError"]
    answered = [span.attributes for span in calls if not span.failed]
    assert _sum(answered, "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens") == (
        _billed(shop, "claude-sonnet-4-6")
    )
    written = [a["gen_ai.usage.cache_creation.input_tokens"] for a in answered]
    assert sorted(written)[:-1] == [0] * (len(answered) - 1)
    assert max(written) > 0
    # A visit uses each of two tools, but the one that fails stops after the first.
    tools = [span for span in spans if span.name.startswith("execute_tool")]
    assert len(tools) == 2 * ROUNDS - 1


def test_review_triage_sends_openinference_and_falls_back(shop: Shop) -> None:
    calls = _by_scope(shop, "review-triage", "openinference.instrumentation.openai")
    assert [span.exceptions for span in calls if span.failed] == [["openai.RateLimitError"]]
    answered = [span.attributes for span in calls if not span.failed]
    for model in ("gpt-4.1-nano", "o4-mini"):
        mine = [a for a in answered if a["llm.model_name"] == MODELS[model].dated]
        assert _sum(mine, "llm.token_count.prompt", "llm.token_count.completion") == (
            _billed(shop, model)
        )
    models = [a["llm.model_name"] for a in answered]
    assert models.count(MODELS["gpt-4.1-mini"].dated) == 1  # Instead of the rate-limited one.


def test_report_writer_sends_each_call_once(shop: Shop) -> None:
    calls = _by_scope(shop, "report-writer", "openinference.instrumentation.anthropic")
    assert len(calls) == ROUNDS
    assert not _by_scope(shop, "report-writer", "com.anthropic.sdk.python")
    assert _sum(
        [span.attributes for span in calls], "llm.token_count.prompt", "llm.token_count.completion"
    ) == _billed(shop, "claude-haiku-4-5")


def test_edge_inference_sends_the_observatory_convention(shop: Shop) -> None:
    spans = shop.of("edge-inference")
    requests = [span for span in spans if span.name == "llm.request"]
    answered = [span.attributes for span in requests if not span.failed]
    assert (len(requests), len(answered)) == (ROUNDS, ROUNDS - 1)
    assert [a["llm.usage.input_tokens"] for a in answered] == [
        count_tokens(visit.question) for visit in _visits("edge-inference") if visit.fault is None
    ]
    assert all(a["llm.cost_usd"] > 0 for a in answered)
    stages = [span.name for span in spans if span.parent_id == requests[0].span_id]
    assert stages == ["tokenize", "prefill", "generate"]


def test_every_provider_call_is_seen(shop: Shop) -> None:
    scopes = {
        "opentelemetry.instrumentation.genai.openai",
        "opentelemetry.instrumentation.anthropic",
        "openinference.instrumentation.openai",
        "openinference.instrumentation.anthropic",
    }
    calls = [span for span in shop.spans if span.scope in scopes]
    assert len([span for span in calls if not span.failed]) == shop.ledger.calls.total()
    assert len([span for span in calls if span.failed]) == shop.ledger.refused.total()


def _command(service: Service, otlp_endpoint: str, provider_url: str) -> list[str]:
    command = [sys.executable, "-m", "exporter.demo.service", service.name]
    addresses = ["--otlp-endpoint", otlp_endpoint, "--provider-url", provider_url]
    return [*command, *addresses, "--seed", str(SEED), "--rounds", str(ROUNDS)]


def _visits(name: str) -> list[Visit]:
    service = SERVICES[name]
    return list(islice(visits(name, service.features, service.faults, SEED), ROUNDS))


def _by_scope(shop: Shop, service: str, scope: str) -> list[Received]:
    return [span for span in shop.of(service) if span.scope == scope]


def _sum(calls: list[Mapping[str, Any]], *keys: str) -> tuple[int, ...]:
    return tuple(sum(call[key] for call in calls) for key in keys)


def _billed(shop: Shop, model: str) -> tuple[int, int]:
    dated = MODELS[model].dated
    return shop.ledger.input_tokens[dated], shop.ledger.output_tokens[dated]
