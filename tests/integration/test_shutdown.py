"""The life of a service: what it shows of itself while it runs, and what is promised at its end."""

import gzip
import json
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.metrics.catalog import METRICS
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.otlp import request
from tests.support.prometheus import binary, wait_until
from tests.support.service import (
    Metrics,
    Service,
    http,
    recent_call,
    running_service,
    store_url,
)

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Sender:
    """Threads that send one span after another until told to stop; knows which were taken."""

    def __init__(self, service: Service, threads: int = 3) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._numbers = iter(range(1, 10**9))
        self._stop = threading.Event()
        self.taken: set[int] = set()
        self.refusals: list[str] = []
        ways = [self._http, self._grpc, self._http]
        self._threads = [threading.Thread(target=self._run, args=(w,)) for w in ways[:threads]]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, send: Callable[[bytes], str | None]) -> None:
        while not self._stop.is_set():
            with self._lock:
                number = next(self._numbers)
            refusal = send(request(recent_call(number=number)))
            with self._lock:
                if refusal is None:
                    self.taken.add(number)
                else:
                    self.refusals.append(refusal)
            if refusal in {"closed", "UNAVAILABLE"}:
                return

    def _http(self, body: bytes) -> str | None:
        try:
            status = self._service.export(body).status
        except OSError:
            return "closed"
        return None if status == 200 else str(status)

    def _grpc(self, body: bytes) -> str | None:
        with grpc.insecure_channel(self._service.grpc_target) as channel:
            try:
                channel.unary_unary(TRACES)(body, timeout=20)
            except grpc.RpcError as error:
                return error.code().name
        return None


def stored(service: Service) -> list[int]:
    return sorted(int(span, 16) for (span,) in service.query("SELECT SpanId FROM otel_traces"))


# The end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("engine", ["embedded", "server"])
def test_everything_that_was_taken_is_stored_at_the_end(
    tmp_path: Path, engine: str, number: signal.Signals
):
    # Rows wait for long: it is the end that writes them.
    settings: dict[str, Any] = {"insert_max_age_s": 60}
    with clickhouse_http_server(tmp_path / "server") as server:
        if engine == "server":
            settings["clickhouse_url"] = store_url(server)
        with running_service(tmp_path, **settings) as service:
            with Sender(service) as sender:
                service.wait_for(
                    lambda m: m.value("llm_observatory_spans_total", outcome="accepted") > 50
                )
                service.signal(number)
                assert service.wait() == 0
            assert len(sender.taken) > 50
            assert stored(service) == sorted(sender.taken)
            # What came too late was refused in a way that senders repeat.
            assert set(sender.refusals) <= {"closed", "503", "UNAVAILABLE", "CANCELLED"}
            assert service.log[-1]["message"] == "stopped"
            assert service.log[-1]["drained"] is True


def test_what_could_not_be_stored_is_told_at_the_end(tmp_path: Path):
    with clickhouse_http_server(tmp_path / "server") as server:
        settings = {"clickhouse_url": store_url(server), "shutdown_timeout_s": 1}
        with running_service(tmp_path, **settings) as service:
            server.kill()
            for number in range(1, 6):
                assert service.export(request(recent_call(number=number))).status == 200
            service.signal()
            assert service.wait() == 1
            (line,) = [line for line in service.log if line["level"] == "ERROR"]
            assert line["message"] == "stopped with rows that could not be written"
            assert line["rows"] == 5
            assert service.log[-1]["drained"] is False
            assert "Traceback" not in service.output


def test_a_request_in_flight_when_the_store_is_away_is_not_acknowledged_and_lost(tmp_path: Path):
    """The buffer is full: what waits before it is refused at the end, not silently dropped."""
    with clickhouse_http_server(tmp_path / "server") as server:
        settings = {
            "clickhouse_url": store_url(server),
            "shutdown_timeout_s": 1,
            "buffer_max_bytes": 1024,
            "hold_max_spans": 1,
        }
        with running_service(tmp_path, **settings) as service, ThreadPoolExecutor(2) as threads:
            server.kill()
            # One in the buffer, one on its way to it, one held, one on its way to be held.
            for number in range(1, 5):
                assert service.export(request(recent_call(number=number))).status == 200
            waiting = [
                threads.submit(service.export, request(recent_call(number=n))) for n in (5, 6)
            ]
            service.wait_for(lambda m: m.value("llm_observatory_queue_requests") == 2)
            service.signal()
            assert service.wait() == 1
            for future in waiting:
                with suppress(OSError):  # Cut off: a sender repeats that too.
                    assert future.result().status in {429, 503}
            lost = [line for line in service.log if line["message"].startswith("stopped with")]
            # A span on its way from the one to the other may be in both counts, none in neither.
            assert sum(line.get("rows", line.get("spans")) for line in lost) >= 4


def test_a_second_signal_does_no_harm(tmp_path: Path):
    with running_service(tmp_path, insert_max_age_s=60) as service:
        service.export(request(recent_call()))
        service.signal()
        service.signal()
        assert service.wait() == 0
        assert stored(service) == [1]


# Health -------------------------------------------------------------------------------------


def test_a_service_is_ready_when_its_store_is(service: Service):
    assert service.health("/healthz").json["status"] == "ok"
    answer = service.health("/readyz")
    assert (answer.status, answer.json) == (200, {"status": "ready", "problems": []})


def test_a_service_starts_without_its_store_and_is_ready_once_that_is_there(tmp_path: Path):
    with clickhouse_http_server(tmp_path / "server") as server:
        port, url = server.port, store_url(server)
    with running_service(tmp_path, clickhouse_url=url, insert_retry_max_s=0.2) as service:
        answer = service.health("/readyz")
        assert answer.status == 503
        assert answer.json["problems"] == ["ClickHouse was not reached yet"]
        assert service.health("/healthz").status == 200
        assert service.export(request(recent_call())).status == 200
        with clickhouse_http_server(tmp_path / "server", port=port):
            service.wait_until_stored(1)
            wait_until(lambda: service.health().status == 200, 20, lambda: service.output)
            assert stored(service) == [1]
            assert service.stop() == 0


def test_a_service_without_spans_becomes_ready_too(tmp_path: Path):
    """A load balancer sends nothing to what is not ready: it must not wait for a first span."""
    with clickhouse_http_server(tmp_path / "server") as server:
        port, url = server.port, store_url(server)
    with (
        running_service(tmp_path, clickhouse_url=url, insert_retry_max_s=0.2) as service,
        clickhouse_http_server(tmp_path / "server", port=port),
    ):
        wait_until(lambda: service.health().status == 200, 10, lambda: service.health().body)


def test_a_service_is_not_ready_while_its_store_takes_nothing(tmp_path: Path):
    with (
        clickhouse_http_server(tmp_path / "server") as server,
        running_service(
            tmp_path, clickhouse_url=store_url(server), insert_retry_max_s=0.2
        ) as service,
    ):
        server.fail_next(252, times=1000, match="INSERT")
        service.export(request(recent_call()))
        wait_until(lambda: service.health().status == 503, 20, lambda: service.output)
        assert service.health().json["problems"] == ["ClickHouse takes no rows"]
        server.control({})
        wait_until(lambda: service.health().status == 200, 20, lambda: service.output)


def test_a_row_that_is_refused_leaves_the_service_ready(tmp_path: Path):
    with (
        clickhouse_http_server(tmp_path / "server") as server,
        running_service(tmp_path, clickhouse_url=store_url(server)) as service,
    ):
        server.fail_next(469, match="INSERT INTO.*otel_traces")
        service.export(request(recent_call()))
        service.wait_for(lambda m: m.value("llm_observatory_rows_total", outcome="rejected") == 1)
        assert service.health().json == {"status": "ready", "problems": []}


# /metrics -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(service: Service) -> Service:
    """A service that has seen something of everything."""
    spans = [
        recent_call(),
        recent_call({"gen_ai.request.model": "no-such-model"}, number=2),
        recent_call({"error.type": "timeout"}, number=3, status=2),
        recent_call({"gen_ai.server.time_to_first_token": 0.2}, number=4),
        recent_call(
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": 'se"ar\\ch\n'}, number=5
        ),
        recent_call({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}, number=6),
        recent_call(number=7, span_id=b""),
    ]
    assert service.export(request(*spans)).status == 200
    service.export(b"\xff")
    service.wait_until_stored(6)
    service.scrape()
    return service


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        (
            (
                f"{OPENMETRICS},application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            "application/openmetrics-text; version=1.0.0",
        ),
    ],
    ids=["nothing", "anything", "OpenMetrics", "Prometheus"],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_scrape_is_in_the_form_that_is_asked_for(
    busy: Service, accept: str, expected: str, encoding: str
):
    answer = busy.scrape(Accept=accept, Accept_Encoding=encoding)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(expected)
    assert answer.headers.get("Content-Encoding", "identity") == encoding
    text = (gzip.decompress(answer.body) if encoding == "gzip" else answer.body).decode()
    assert text.endswith("# EOF\n") == ("openmetrics" in expected)
    assert "llm_requests_total{" in text


def test_gzip_that_is_refused_is_not_sent(busy: Service):
    answer = busy.scrape(Accept_Encoding="gzip;q=0")
    assert "Content-Encoding" not in answer.headers


def test_openmetrics_is_well_formed_and_has_exemplars(busy: Service):
    families = list(text_string_to_metric_families(busy.scrape(Accept=OPENMETRICS).body.decode()))
    exemplars = [s.exemplar for f in families for s in f.samples if s.exemplar]
    assert exemplars
    for exemplar in exemplars:
        assert len(exemplar.labels["trace_id"]) == 32
        assert len(exemplar.labels["span_id"]) == 16


def test_promtool_finds_nothing_wrong(busy: Service):
    done = subprocess.run(
        [binary("promtool"), "check", "metrics"],
        input=busy.scrape().body,
        check=False,
        capture_output=True,
        timeout=30,
    )
    # What prometheus_client's own process and Python collectors are called is not ours to mend.
    own = [line for line in done.stderr.decode().splitlines() if line.startswith("llm_")]
    assert not own
    assert done.returncode in {0, 3}


def test_every_metric_of_the_catalogue_and_our_own_are_shown(busy: Service):
    text = busy.scrape().body.decode()
    for metric in METRICS:
        assert f"# TYPE {metric.name}" in text
    metrics = Metrics.parse(text)
    for name in (
        "llm_observatory_requests_total",
        "llm_observatory_received_bytes_total",
        "llm_observatory_spans_total",
        "llm_observatory_rows_total",
        "llm_observatory_step_duration_seconds_count",
        "llm_observatory_insert_duration_seconds_count",
        "llm_observatory_scrape_duration_seconds_count",
        "llm_observatory_series",
        "llm_observatory_build_info",
        "process_resident_memory_bytes",
    ):
        assert metrics.value(name) > 0, name
    for name in ("queue_requests", "queue_size_bytes", "buffer_spans", "buffer_size_bytes"):
        assert metrics.series(f"llm_observatory_{name}"), name
    assert metrics.value("llm_tool_calls_total", tool='se"ar\\ch\n') == 1


def test_scrapes_while_spans_come_in_are_whole_and_never_fall(busy: Service):
    with Sender(busy) as sender, ThreadPoolExecutor(2) as threads:
        for _ in range(15):
            earlier = busy.metrics()
            for later in threads.map(lambda _: busy.metrics(), range(2)):
                for (name, labels), value in earlier.samples.items():
                    if name.startswith("llm_") and name.endswith(("_total", "_count", "_bucket")):
                        assert later.samples[name, labels] >= value, (name, labels)
                requests = later.value("llm_requests_total")
                assert later.value("llm_request_duration_seconds_count") == requests
    assert not sender.refusals


def test_other_paths_are_not_found(busy: Service):
    assert http(busy.endpoints.metrics.replace("/metrics", "/")).status == 404
    assert http(busy.endpoints.metrics, method="POST").status == 405
    assert json.loads(http(f"{busy.endpoints.api}/openapi.json").body)["info"]["title"]
