"""A service that has seen everything that a panel asks for, and the data sources behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import yaml

from dashboards_py.generate import GENERATED
from tests.e2e.panel_sources import Scene
from tests.e2e.panel_traffic import traces
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.history import Window, write_past
from tests.support.otlp import NS
from tests.support.prometheus import prometheus_server
from tests.support.service import Metrics, Service, http, running_service, store_url

_CONFIG = Path(__file__).parents[2] / "deploy/prometheus/prometheus.yml"
_LABELS = "environment,feature,tenant,release"
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
# How busy this hour was in the last weeks, against what is sent here.
WEEKS = (0.8, 1.0, 1.2, 1.0)
# An alert of the pack's shape that always fires, so that panels of alerts have one to show.
_RULES = """
groups:
  - name: test
    rules:
      - alert: LLMPanelsAreTested
        expr: vector(1)
        labels: {priority: P3, severity: info}
"""

_BUDGETS = """
budgets:
  - {name: everything, period: month, amount_usd: 100}
  - {name: refunds, period: day, amount_usd: 0.5, scope: {feature: refunds}}
"""


@contextmanager
def open_scene(directory: Path) -> Iterator[Scene]:
    """Give a service that has seen everything, its database, and a Prometheus with a past."""
    with ExitStack() as stack:
        server = stack.enter_context(clickhouse_http_server(directory / "engine"))
        url = store_url(server, "observed")
        service = stack.enter_context(
            running_service(
                directory / "service",
                clickhouse_url=url,
                metric_labels=_LABELS,
                budgets_file=_budgets(directory),
                budgets_refresh_s=1,
            )
        )
        now = time.time()
        for ago_s, release in ((30 * _HOUR_S, "1.0"), (1800, "1.0"), (1, "1.1")):
            _send(service, now - ago_s, release)
        service.wait_until_stored(_spans(service))
        _ask(service)
        shown = service.metrics()
        prometheus = stack.enter_context(_prometheus(directory, service, shown, now))
        # A rate needs a rise between two scrapes: the same again, now that it is being watched.
        before = f"sum(llm_requests_total) == {shown.value('llm_requests_total')}"
        prometheus.wait_for(before)
        for release in ("1.0", "1.1"):
            _send(service, time.time(), release)
        _ask(service)
        shown = service.wait_until_stored(_spans(service))
        prometheus.wait_for(f"sum(llm_requests_total) == {shown.value('llm_requests_total')}")
        prometheus.wait_for("sum(rate(llm_requests_total[1m])) > 0")
        prometheus.wait_for("sum(rate(llm_observatory_rows_total[1m])) > 0")
        prometheus.wait_for("sum(rate(llm_observatory_question_duration_seconds_count[1m])) > 0")
        prometheus.wait_for('ALERTS{alertname="LLMPanelsAreTested",alertstate="firing"}')
        prometheus.wait_for("llm_budget_spent_usd > 0", lambda found: len(found) == 2)
        client = stack.enter_context(closing(clickhouse_connect.get_client(dsn=url)))
        yield Scene(prometheus, client, service)


def _budgets(directory: Path) -> Path:
    path = directory / "budgets.yaml"
    path.write_text(_BUDGETS)
    return path


def _send(service: Service, at_s: float, release: str) -> None:
    for body in traces(int(at_s * NS), release):
        assert service.export(body).status == 200


def _ask(service: Service) -> None:
    assert http(f"{service.endpoints.api}/api/summary").status == 200


def _spans(service: Service) -> int:
    return int(service.metrics().value("llm_observatory_spans_total", outcome="accepted"))


def _prometheus(directory: Path, service: Service, shown: Metrics, now: float) -> Any:
    target = urlsplit(service.endpoints.metrics).netloc
    windows = [Window(now - 30 * _HOUR_S, now - 25 * _HOUR_S)]
    for week, factor in enumerate(WEEKS, start=1):
        then = now - week * 7 * _DAY_S
        windows.append(Window(then - 2 * _HOUR_S, then + 600, factor))
    write_past(
        shown,
        directory / "prometheus-data",
        windows=windows,
        labels={"job": "llm-observatory", "instance": target},
        prefixes=("llm_requests", "llm_request_duration", "llm_cost", "llm_tokens"),
    )
    rules = directory / "rules"
    rules.mkdir()
    (rules / "test.yml").write_text(_RULES)
    for path in (GENERATED / "prometheus").glob("*.yml"):
        groups = yaml.safe_load(path.read_text())["groups"]
        # Each at the test's own interval: a group may wait five minutes for its first turn.
        text = yaml.safe_dump({"groups": [group | {"interval": "2s"} for group in groups]})
        (rules / path.name).write_text(text)
    return prometheus_server(
        _CONFIG,
        directory,
        targets={"llm-observatory:9464": target},
        rules_dir=rules,
        # A scrape that takes longer ends all series for a moment; a busy machine needs its time.
        interval="2s",
        flags=("--enable-feature=exemplar-storage", "--storage.tsdb.retention.time=60d"),
    )
