"""Two days of the demo's shop, as Grafana would find it: rows in ClickHouse, a Prometheus' past.

The demo's services make the traces, on real SDKs, at ten times the speed. Each is then sent again
at other times of those days, as slow as it should have been; what the service shows after each
step is what Prometheus scraped then.
"""

from __future__ import annotations

import io
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from rich.console import Console

from dashboards_py.generate import GENERATED
from exporter.demo.run import Pace, Target, run_demo
from tests.e2e.panel_sources import Scene
from tests.pictures.moved import SPEED, moved, spans
from tests.pictures.past import Seen, write_seen
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.otlp import NS
from tests.support.prometheus import prometheus_server, wait_until
from tests.support.service import Service, http, running_service, store_url

_CONFIG = Path(__file__).parents[2] / "deploy/prometheus/prometheus.yml"
_LABELS = "environment,feature"
_LIVE_S = 20.0
_BUDGETS = """
budgets:
  - {name: everything, period: month, amount_usd: 60}
  - {name: shop, period: day, amount_usd: 25}
"""
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_STORED_MAX_S = 30.0
_SEED = 7


@dataclass(frozen=True, slots=True)
class Size:
    """How much traffic there is: a test needs less than a picture."""

    rounds: int = 10
    hours: int = 49
    """Two days, so that there is a whole yesterday."""
    day_step_s: int = 1200
    hour_step_s: int = 30
    traces_per_hour: int = 720
    """At the busiest time; at the quietest it is a quarter."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What Grafana would reach, and the traces of the demo that it was made from."""

    scene: Scene
    traces: Sequence[TracesData]


@contextmanager
def open_shop(directory: Path, size: Size) -> Iterator[Shop]:
    """Give the data sources after some days of the shop."""
    traces = _demo_traces(directory / "demo", size)
    budgets = directory / "budgets.yaml"
    budgets.write_text(_BUDGETS)
    with ExitStack() as stack:
        server = stack.enter_context(clickhouse_http_server(directory / "engine"))
        url = store_url(server, "observed")
        service = stack.enter_context(
            running_service(
                directory / "service",
                clickhouse_url=url,
                metric_labels=_LABELS,
                budgets_file=budgets,
                budgets_refresh_s=1,
            )
        )
        client = stack.enter_context(closing(clickhouse_connect.get_client(dsn=url)))
        replay = _Replay(service, client, traces, size)
        seen = replay.day()
        target = urlsplit(service.endpoints.metrics).netloc
        labels = {"job": "llm-observatory", "instance": target}
        write_seen(seen, directory / "prometheus-data", labels=labels)
        rules = directory / "rules"
        rules.mkdir()
        for path in (GENERATED / "prometheus").glob("*.yml"):
            (rules / path.name).write_text(path.read_text())
        prometheus = stack.enter_context(
            prometheus_server(
                _CONFIG,
                directory,
                targets={"llm-observatory:9464": target},
                rules_dir=rules,
                interval="2s",
                flags=("--enable-feature=exemplar-storage", "--storage.tsdb.retention.time=60d"),
            )
        )
        replay.live()
        shown = service.metrics().value("llm_requests_total")
        prometheus.wait_for(f"sum(llm_requests_total) == {shown}")
        prometheus.wait_for("llm_budget_spent_usd > 0", lambda found: len(found) == 2)
        yield Shop(Scene(prometheus, client, service), traces)


def _demo_traces(directory: Path, size: Size) -> list[TracesData]:
    """Run the demo against a service of its own, and take its traces as they were sent."""
    with (
        clickhouse_http_server(directory / "engine") as server,
        running_service(directory / "service", clickhouse_url=store_url(server)) as service,
    ):
        run_demo(
            Target(
                otlp_grpc_url=service.endpoints.otlp_grpc,
                otlp_http_url=service.endpoints.otlp_http,
                metrics_url=service.endpoints.metrics,
            ),
            rounds=size.rounds,
            seed=_SEED,
            pace=Pace(latency_scale=1 / SPEED, pause_s=0.0),
            console=Console(file=io.StringIO()),
        )
        ids = [
            row[0]
            for row in service.query("SELECT DISTINCT TraceId FROM otel_traces ORDER BY TraceId")
        ]
        api = f"{service.endpoints.api}/tempo/api/traces"
        answers = [http(f"{api}/{one}", headers={"Accept": "application/protobuf"}) for one in ids]
    assert answers
    assert all(answer.status == 200 for answer in answers)
    return [TracesData.FromString(answer.body) for answer in answers]


class _Replay:
    """Sends traces again at times of the past, and notes what the service shows after each step."""

    def __init__(
        self, service: Service, client: Client, traces: Sequence[TracesData], size: Size
    ) -> None:
        self._service = service
        self._client = client
        self._traces = traces
        self._size = size
        self._random = random.Random(_SEED)
        self._spans = 0
        self._at = 0.0

    def day(self) -> list[Seen]:
        """Send from the first hour until now."""
        hour = time.time() - _HOUR_S
        self._at = time.time() - self._size.hours * _HOUR_S
        seen: list[Seen] = []
        while time.time() - self._at > self._size.hour_step_s:
            recent = self._at >= hour
            self._send(
                self._size.hour_step_s if recent else min(self._size.day_step_s, hour - self._at)
            )
            seen.append(Seen.read(self._at, self._stored()))
        return seen

    def live(self) -> None:
        """Send as time goes by, so that Prometheus sees it rise."""
        end = time.monotonic() + _LIVE_S
        while time.monotonic() < end:
            self._send(time.time() - self._at)
            self._stored()
            time.sleep(1.0)

    def _stored(self) -> str:
        """Return what the service shows once all is stored; it counts before it stores."""

        def there() -> bool:
            # Asked of the store, because the service's own page is long.
            return self._client.query("SELECT count() FROM otel_traces").first_row[0] >= self._spans

        wait_until(there, _STORED_MAX_S, lambda: f"{self._spans} spans are not stored")
        return self._service.scrape().body.decode()

    def _send(self, step_s: float) -> None:
        start, self._at = self._at, min(self._at + step_s, time.time())
        # As a shop is visited: least at four in the morning, most in the afternoon.
        of_day = (start % _DAY_S - 4 * _HOUR_S) / _DAY_S
        busy = (
            1.0
            if start > time.time() - 2 * _HOUR_S
            else 0.625 - 0.375 * math.cos(2 * math.pi * of_day)
        )
        mean = self._size.traces_per_hour * busy * (self._at - start) / _HOUR_S
        count = max(round(mean * self._random.uniform(0.8, 1.2)), 1)
        body = ExportTraceServiceRequest()
        for trace in self._random.choices(self._traces, k=count):
            ended = start + (self._at - start) * self._random.random()
            body.MergeFrom(moved(trace, round(ended * NS), self._random.getrandbits(64)))
        assert self._service.export(body.SerializeToString()).status == 200
        self._spans += sum(1 for _ in spans(body))
