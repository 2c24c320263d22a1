"""What `explain` says of stored traces: through the API, and from the store where no one serves."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clickhouse.client import Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, Session
from clickhouse.reads.traces import trace
from exporter.cancellation import Cancellation
from exporter.query.stored import rebuild
from exporter.settings import PREFIX
from exporter.spans.rows import rows
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.otlp import ERROR, event, key_values, request
from tests.support.service import (
    Answer,
    Service,
    environment,
    http,
    recent_call,
    running_service,
    store_url,
)
from tests.unit.pipeline import DECODER, NORMALISE, PRICE, chat

TRACE = f"{1:032x}"
GENKIT = {
    "genkit:type": "action",
    "genkit:metadata:subtype": "model",
    "genkit:name": "googleai/gemini-2.5-flash",
    "genkit:output": json.dumps({"usage": {"inputTokens": 7, "outputTokens": 5}, "text": "hush"}),
}


def explain(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", "explain", *arguments],
        env=environment(**settings),
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(service: Service, trace_id: str) -> Answer:
    return http(f"{service.endpoints.api}/api/explain/{trace_id}")


def send(service: Service) -> None:
    top = recent_call({"gen_ai.operation.name": "invoke_agent"}, number=1, name="agent")
    call = recent_call({"gen_ai.usage.cache_read.input_tokens": 40}, number=2, parent=1)
    service.export(request(top, call, recent_call(GENKIT, number=3, trace=2)))
    service.wait_until_stored(3)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory):
    """A service on the embedded engine, with two traces in it."""
    with running_service(tmp_path_factory.mktemp("explain")) as running:
        send(running)
        yield running


def test_the_api_lays_a_cost_open(service: Service) -> None:
    found = answer(service, TRACE)
    assert found.status == 200, found
    top, call = found.json["spans"]
    assert top["usage_role"] == "rollup"
    assert top["usage_because"] == "spans below it report the usage"
    assert call["tokens"] == {"input": 60, "cache_read": 40, "output": 20}
    assert [line["cost_usd"] for line in call["cost"]["lines"]] == ["0.00015", "0.00005", "0.0002"]
    assert call["cost"]["usd"] == found.json["counted_usd"] == found.json["stored_usd"] == "0.0004"
    assert [reading["rule"] for reading in call["readings"]] == ["convention"]
    assert top["differences"] == call["differences"] == []


def test_an_id_may_be_written_in_capitals(service: Service) -> None:
    assert answer(service, TRACE.upper()).status == 200


def test_usage_inside_content_is_read_and_the_content_is_not_shown(service: Service) -> None:
    found = answer(service, f"{2:032x}")
    assert found.json["spans"][0]["differences"] == []
    assert "hush" not in found.body.decode()


@pytest.mark.parametrize(
    ("trace_id", "status", "detail"),
    [
        ("f" * 32, 404, f"no spans of trace {'f' * 32} are stored"),
        ("abc", 400, "a trace id is 32 hex digits"),
        ("x" * 32, 400, "a trace id is 32 hex digits"),
    ],
    ids=["unknown", "short", "no hex"],
)
def test_what_the_api_refuses(service: Service, trace_id: str, status: int, detail: str) -> None:
    found = answer(service, trace_id)
    assert (found.status, found.json) == (status, {"detail": detail})


def test_the_answer_is_documented(service: Service) -> None:
    described = http(f"{service.endpoints.api}/openapi.json").json
    responses = described["paths"]["/api/explain/{trace_id}"]["get"]["responses"]
    assert {"200", "400", "404", "503"} <= responses.keys()
    assert "TraceExplanation" in described["components"]["schemas"]


def test_the_command_asks_the_service_that_has_the_engine(service: Service) -> None:
    api_port = service.endpoints.api.rpartition(":")[2]
    settings = {"api_port": api_port, "clickhouse_url": service.clickhouse_url}
    shown = explain(TRACE, **settings)
    assert shown.returncode == 0, shown.stderr
    assert "60 x $2.5 / 1,000,000 = $0.00015" in shown.stdout
    as_json = explain(TRACE, "--json", **settings)
    assert json.loads(as_json.stdout)["spans"] == answer(service, TRACE).json["spans"]


def test_the_command_says_what_to_do_when_the_engine_is_taken(service: Service) -> None:
    failed = explain(TRACE, api_port=free_port(), clickhouse_url=service.clickhouse_url)
    assert failed.returncode == 2
    assert "is used by another process" in failed.stderr
    assert "--api-url" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_command_says_that_a_trace_is_unknown(service: Service) -> None:
    failed = explain("f" * 32, "--api-url", service.endpoints.api)
    assert failed.returncode == 2
    assert f"no spans of trace {'f' * 32} are stored" in failed.stderr


def test_another_program_on_the_port_is_not_believed(service: Service) -> None:
    failed = explain(TRACE, "--api-url", service.endpoints.otlp_http)
    assert failed.returncode == 2
    assert "no LLM Observatory" in failed.stderr


def test_without_a_service_the_store_is_read(tmp_path: Path) -> None:
    with clickhouse_http_server(tmp_path / "engine") as server:
        with running_service(tmp_path / "service", clickhouse_url=store_url(server)) as service:
            send(service)
            asked = answer(service, TRACE).json
            service.stop()
        shown = explain(TRACE, "--json", api_port=free_port(), clickhouse_url=store_url(server))
        assert json.loads(shown.stdout)["spans"] == asked["spans"]
        prices = tmp_path / "prices.yaml"
        prices.write_text("models: [{model: gpt-4o, prices: {input: 5, output: 20}}]")
        later = explain(
            TRACE, api_port=free_port(), clickhouse_url=store_url(server), prices_file=prices
        )
        assert "CostUsd: 0.0004, today 0.0009" in later.stdout


def test_the_command_reads_an_engine_that_nobody_uses(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        send(service)
        assert service.stop() == 0
    shown = explain(TRACE, api_port=free_port(), clickhouse_url=service.clickhouse_url)
    assert shown.returncode == 0, shown.stderr
    assert "$0.0004, computed" in shown.stdout


def test_the_store_gives_back_what_was_sent(tmp_path: Path) -> None:
    """Every kind of value, through a real table."""
    values = {"s": "ü\n", "i": -(2**63), "d": 0.1, "n": math.inf, "b": True, "y": b"\x00\xff"}
    values |= {"none": None, "list": [1, 1.0, "1", [True]], "map": {"k": {"m": 2**53 + 1}}}
    now_ns = time.time_ns()
    link = Span.Link(trace_id=b"\1" * 16, span_id=b"\2" * 8, flags=7, attributes=key_values(values))
    sent = chat(
        values,
        start_ns=now_ns,
        events=[event("e", values, at_ns=now_ns + 1), event("f", at_ns=now_ns + 2)],
        links=[link],
        status=ERROR,
        flags=257,
        trace_state="a=b",
        dropped_events_count=3,
    )
    payload = request(sent, resource={"service.name": "shop", **values}, scope="lib")
    batch, _ = DECODER.decode([payload], now_ns)
    with clickhouse_http_server(tmp_path / "engine") as server:
        address = parse_address(store_url(server))
        migrate(address, Retention(spans_days=30, content_days=7, minutes_days=14, hours_days=400))
        with closing(connect(address)) as client:
            for table, content in rows(PRICE(NORMALISE(batch))).tables.items():
                Writer(client).insert_arrow(table, content, {})
            session = Session(client, ReadLimits(), Cancellation())
            found = trace(session, TRACE)
            assert trace(session, "f" * 32) is None
    assert found is not None
    assert ExportTraceServiceRequest.FromString(
        rebuild(found).request
    ) == ExportTraceServiceRequest.FromString(payload)


def test_an_id_that_is_none_is_refused_before_anything_is_asked() -> None:
    failed = explain("nonsense")
    assert failed.returncode == 2
    assert "32 hex digits" in failed.stderr
    assert f"{PREFIX}CLICKHOUSE_URL" not in os.environ
