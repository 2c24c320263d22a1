"""What Grafana's service map asks Prometheus for is there, for services, agents and tools."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp import ERROR, request, span
from tests.support.prometheus import prometheus_server
from tests.support.service import Service, recent_call, running_service

_CONFIG = Path(__file__).parents[2] / "deploy/prometheus/prometheus.yml"
_TOTAL = "sum(traces_service_graph_request_total)"
# Edges of one trace as it is sent here.
_EDGES = {
    ("user", "shop"),
    ("shop", "agent.planner"),
    ("agent.planner", "tool.search"),
    ("shop", "search"),
    ("shop", "openai"),
}


def send(service: Service, trace: int) -> None:
    """Send a visit: the shop's agent calls a model and, in a tool, another service."""
    call = recent_call(trace=trace, number=3, parent=2)
    at = {"trace": trace, "start_ns": call.start_time_unix_nano}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    shop = [
        span(number=1, kind=Span.SPAN_KIND_SERVER, name="POST /chat", **at),
        span(agent, number=2, parent=1, **at),
        call,
        span(tool, number=4, parent=2, **at),
        span(number=5, parent=4, kind=Span.SPAN_KIND_CLIENT, **at),
    ]
    found = span(
        number=6, parent=5, kind=Span.SPAN_KIND_SERVER, name="GET /find", status=ERROR, **at
    )
    for body in (
        request(found, resource={"service.name": "search"}),
        request(*shop, resource={"service.name": "shop"}),
    ):
        assert service.export(body).status == 200


def test_the_queries_of_the_service_map_have_answers(tmp_path: Path) -> None:
    with running_service(tmp_path / "service", service_graph_wait_s=0.1) as service:
        target = urlsplit(service.endpoints.metrics).netloc
        with prometheus_server(
            _CONFIG, tmp_path, targets={"llm-observatory:9464": target}
        ) as prometheus:
            prometheus.wait_for('up{job="llm-observatory"} == 1')
            # A rate needs a series that was there before.
            for visit in (1, 2):
                send(service, visit)
                expected = visit * len(_EDGES)
                prometheus.wait_for(
                    _TOTAL, lambda found, n=expected: [s.value for s in found] == [n]
                )

            def rates(expression: str, *by: str) -> dict[tuple[str, ...], float]:
                found = prometheus.query(f"sum by ({', '.join(by)}) (rate({expression}[5m]))")
                return {tuple(s.labels[label] for label in by): s.value for s in found}

            edge, server = ("client", "server"), 'span_kind="SPAN_KIND_SERVER"'
            total = rates("traces_service_graph_request_total", *edge)
            assert set(total) == _EDGES
            assert all(rate > 0 for rate in total.values())
            failed = rates("traces_service_graph_request_failed_total", *edge)
            assert {pair for pair, rate in failed.items() if rate > 0} == {("shop", "search")}
            seconds = rates("traces_service_graph_request_server_seconds_sum", *edge)
            assert {pair for pair, rate in seconds.items() if rate > 0} == _EDGES
            names = rates(f"traces_spanmetrics_calls_total{{{server}}}", "span_name")
            assert set(names) == {("POST /chat",), ("GET /find",)}
            errors = f'traces_spanmetrics_calls_total{{{server},status_code="STATUS_CODE_ERROR"}}'
            assert set(rates(errors, "span_name")) == {("GET /find",)}
            [slow] = prometheus.query(
                "histogram_quantile(0.9, sum by (le) "
                f"(rate(traces_spanmetrics_latency_bucket{{{server}}}[5m])))"
            )
            # Spans of a second, in the bucket from 0.512 to 1.024 seconds.
            assert 0.512 < slow.value <= 1.024
