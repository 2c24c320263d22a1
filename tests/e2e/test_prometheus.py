"""The real Prometheus scrapes the service; its answers equal the traffic that was sent."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace.export import SpanExporter

from exporter.metrics import catalog
from tests.e2e.traffic import Call, calls, send
from tests.support.prometheus import Prometheus, prometheus_server
from tests.support.service import Service, running_service

_CONFIG = Path(__file__).parents[2] / "deploy/prometheus/prometheus.yml"
_CALLS = 600


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Call], Prometheus]]:
    """Give the traffic that was sent, and a Prometheus that has scraped all of it."""
    traffic = calls(_CALLS, seed=7)
    directory = tmp_path_factory.mktemp("e2e")
    with running_service(directory / "service") as service:
        target = urlsplit(service.endpoints.metrics).netloc
        with prometheus_server(
            _CONFIG, directory, targets={"llm-observatory:9464": target}
        ) as prometheus:
            prometheus.wait_for('up{job="llm-observatory"} == 1')
            send(traffic, _exporters(service))
            prometheus.wait_for(
                "sum(llm_requests_total)", lambda found: [s.value for s in found] == [_CALLS]
            )
            yield traffic, prometheus


def _exporters(service: Service) -> Iterator[SpanExporter]:
    for turn in itertools.count():
        if turn % 2:
            yield HttpExporter(endpoint=service.traces_url)
        else:
            yield GrpcExporter(endpoint=service.endpoints.otlp_grpc, insecure=True)


Scene = tuple[list[Call], Prometheus]


def test_requests_by_service_model_and_outcome_are_those_sent(scene: Scene) -> None:
    traffic, prometheus = scene
    sent = Counter(
        (c.service, c.model.provider, c.model.listed, "error" if c.failed else "ok")
        for c in traffic
    )
    found = {
        tuple(sample.labels[name] for name in ("service_name", "provider", "model", "status")): (
            sample.value
        )
        for sample in prometheus.query(
            "sum by (service_name, provider, model, status) (llm_requests_total)"
        )
    }
    assert found == sent


def test_failures_carry_their_type(scene: Scene) -> None:
    traffic, prometheus = scene
    [sample] = prometheus.query('sum by (error_type) (llm_requests_total{status="error"})')
    assert sample.labels == {"error_type": "rate_limited"}
    assert sample.value == sum(c.failed for c in traffic)


def test_tokens_by_kind_are_those_sent(scene: Scene) -> None:
    traffic, prometheus = scene
    sent: Counter[tuple[str, str]] = Counter()
    for call in traffic:
        for kind, count in call.tokens.items():
            sent[call.model.listed, kind] += count
    found = {
        (sample.labels["model"], sample.labels["token_type"]): sample.value
        for sample in prometheus.query("sum by (model, token_type) (llm_tokens_total)")
    }
    assert found == sent


def test_cost_is_exact_to_the_nano_dollar(scene: Scene) -> None:
    traffic, prometheus = scene
    sent: Counter[tuple[str, str]] = Counter()
    for call in traffic:
        sent[call.service, call.model.listed] += call.cost_nano_usd
    found = {
        (sample.labels["service_name"], sample.labels["model"]): round(sample.value * 1e9)
        for sample in prometheus.query("sum by (service_name, model) (llm_cost_usd_total)")
    }
    assert found == sent


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_latency_quantiles_fall_into_the_right_bucket(scene: Scene, quantile: float) -> None:
    traffic, prometheus = scene
    seconds = sorted(c.duration_ns / 1e9 for c in traffic)
    exact = statistics.quantiles(seconds, n=100, method="inclusive")[round(quantile * 100) - 1]
    [sample] = prometheus.query(
        f"histogram_quantile({quantile}, sum by (le) (llm_request_duration_seconds_bucket))"
    )
    bounds = (0.0, *catalog.REQUEST_DURATION.buckets_s)
    above = next(i for i, bound in enumerate(bounds) if bound >= exact)
    assert bounds[above - 1] <= sample.value <= bounds[above]


def test_exemplars_lead_to_traces_that_were_sent(scene: Scene) -> None:
    _, prometheus = scene
    now = time.time()
    exemplars = prometheus.exemplars("llm_request_duration_seconds_bucket", now - 600, now + 60)
    assert exemplars
    for exemplar in exemplars:
        assert len(exemplar["labels"]["trace_id"]) == 32
        assert len(exemplar["labels"]["span_id"]) == 16


def test_the_service_tells_about_itself(scene: Scene) -> None:
    _, prometheus = scene
    [accepted] = prometheus.query('sum(llm_observatory_spans_total{outcome="accepted"})')
    assert accepted.value == _CALLS
    assert prometheus.query("llm_observatory_scrape_duration_seconds_count > 0")
    assert prometheus.query("process_resident_memory_bytes > 0")
