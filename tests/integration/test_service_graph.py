"""The service graph of a running service, over requests of several applications."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp import ERROR, request, span
from tests.support.service import recent_call, running_service

TRACE = 77


def exchange(now_ns: int) -> list[bytes]:
    """Return what three applications send of one trace, the server before its client."""
    shop, search = {"service.name": "shop"}, {"service.name": "search"}
    at = {"trace": TRACE, "start_ns": now_ns}
    found = span(number=2, parent=1, kind=Span.SPAN_KIND_SERVER, name="GET /find", **at)
    asked = span(number=1, parent=9, kind=Span.SPAN_KIND_CLIENT, status=ERROR, **at)
    return [request(found, resource=search), request(asked, resource=shop)]


@pytest.mark.parametrize("enabled", [True, False])
def test_edges_of_several_requests_are_on_metrics_unless_turned_off(tmp_path: Path, enabled: bool):
    call = recent_call(trace=TRACE, number=3, parent=9)
    with running_service(tmp_path, service_graph=enabled, service_graph_wait_s=0.1) as service:
        for body in (*exchange(call.start_time_unix_nano), request(call)):
            assert service.export(body).status == 200
        service.wait_until_stored(3)
        graph = "traces_service_graph_request_total"
        if not enabled:
            assert not service.metrics().series(graph)
            return
        metrics = service.wait_for(lambda m: m.value(graph, server="openai") == 1)
    assert metrics.value(graph, client="shop", server="search", connection_type="") == 1
    failed = "traces_service_graph_request_failed_total"
    assert metrics.value(failed, client="shop", server="search") == 1
    assert metrics.value(failed, client="shop", server="openai") == 0
    assert metrics.value("traces_service_graph_request_server_seconds_count") == 2
    calls = metrics.series("traces_spanmetrics_calls_total", span_kind="SPAN_KIND_SERVER")
    assert [(labels["service"], labels["span_name"]) for labels, _ in calls] == [
        ("search", "GET /find")
    ]
