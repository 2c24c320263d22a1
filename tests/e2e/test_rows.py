"""Spans become rows, whichever engine is behind the service; the sums equal the metrics."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from tests.e2e.traffic import Call, calls, send
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.service import Metrics, Service, running_service, store_url

_CALLS = 400
Scene = tuple[list[Call], Metrics, Service]


@pytest.fixture(scope="module", params=["embedded", "server"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Give the traffic that was sent, the metrics at the end, and the stopped service."""
    directory: Path = tmp_path_factory.mktemp(request.param)
    traffic = calls(_CALLS, seed=11)
    with ExitStack() as stack:
        settings: dict[str, str] = {}
        if request.param == "server":
            server = stack.enter_context(
                clickhouse_http_server(directory / "engine", username="writer", password="p w/d")
            )
            settings["clickhouse_url"] = store_url(server, "observed")
        service = stack.enter_context(running_service(directory / "service", **settings))
        send(traffic, (OTLPSpanExporter(service.traces_url) for _ in itertools.count()))
        metrics = service.wait_until_stored(_CALLS)
        assert service.stop() == 0, service.output
        yield traffic, metrics, service


def test_every_call_is_one_row_with_its_tokens_and_cost(scene: Scene) -> None:
    traffic, _, service = scene
    sent = Counter(
        (
            c.service,
            c.model.listed,
            c.start_ns,
            c.duration_ns,
            "error" if c.failed else "ok",
            c.tokens["input"] if not c.failed else None,
            c.tokens["output"] if not c.failed else None,
            Decimal(c.cost_nano_usd).scaleb(-9) if not c.failed else None,
        )
        for c in traffic
    )
    rows = service.query(
        "SELECT ServiceName, Model, toUnixTimestamp64Nano(Timestamp), Duration, Status, "
        "TokensInput, TokensOutput, CostUsd FROM otel_traces"
    )
    assert Counter(tuple(row) for row in rows) == sent


def test_metrics_and_rows_add_up_to_the_same_nano_dollar(scene: Scene) -> None:
    traffic, metrics, service = scene
    [(cost, tokens)] = service.query(
        "SELECT sum(CostUsd), sum(TokensInput) + sum(TokensCacheRead) + sum(TokensOutput) "
        "FROM otel_traces WHERE UsageRole = 'own'"
    )
    assert cost == Decimal(sum(c.cost_nano_usd for c in traffic)).scaleb(-9)
    assert round(metrics.value("llm_cost_usd_total") * 1e9) == int(cost.scaleb(9))
    assert metrics.value("llm_tokens_total") == tokens


def test_rollups_by_minute_and_hour_agree_with_the_rows(scene: Scene) -> None:
    traffic, _, service = scene
    cost = Decimal(sum(c.cost_nano_usd for c in traffic)).scaleb(-9)
    for table in ("llm_usage_1m", "llm_usage_1h"):
        rows = service.query(f"SELECT sum(Requests), sum(CostUsd) FROM {table}")
        assert [tuple(row) for row in rows] == [(_CALLS, cost)]


def test_a_trace_is_found_by_its_id(scene: Scene) -> None:
    _, _, service = scene
    [(trace, start)] = service.query(
        "SELECT TraceId, toStartOfSecond(Timestamp) FROM otel_traces LIMIT 1"
    )
    [(first, last)] = service.query(
        "SELECT min(Start), max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {id:String}",
        {"id": trace},
    )
    assert first.timestamp() <= start.timestamp() <= last.timestamp()
