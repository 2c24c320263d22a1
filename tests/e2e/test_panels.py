"""Every query of every panel is asked of real data: an error or an empty answer fails."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
import yaml

from dashboards_py.generate import GENERATED, dashboards
from tests.e2e.panel_sources import Scene, ask
from tests.e2e.panel_traffic import SERVICES, traces
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.grafana_queries import Chosen
from tests.support.history import Window, write_past
from tests.support.otlp import NS
from tests.support.prometheus import prometheus_server, wait_until
from tests.support.service import Metrics, Service, running_service, store_url

_CONFIG = Path(__file__).parents[2] / "deploy/prometheus/prometheus.yml"
_LABELS = "environment,feature,tenant,release"
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
# How busy this hour was in the last weeks, against what is sent here.
_WEEKS = (0.8, 1.0, 1.2, 1.0)
# An alert of the pack's shape that always fires, so that panels of alerts have one to show.
_RULES = """
groups:
  - name: test
    rules:
      - alert: LLMPanelsAreTested
        expr: vector(1)
        labels: {priority: P3}
"""

_BUDGETS = """
budgets:
  - {name: everything, period: month, amount_usd: 100}
  - {name: refunds, period: day, amount_usd: 0.5, scope: {feature: refunds}}
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give a service that has seen everything, its database, and a Prometheus with a past."""
    directory = tmp_path_factory.mktemp("panels")
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
        shown = service.wait_until_stored(_spans(service))
        prometheus = stack.enter_context(_prometheus(directory, service, shown, now))
        # A rate needs a rise between two scrapes: the same again, now that it is being watched.
        before = f"sum(llm_requests_total) == {shown.value('llm_requests_total')}"
        prometheus.wait_for(before)
        for release in ("1.0", "1.1"):
            _send(service, time.time(), release)
        shown = service.wait_until_stored(_spans(service))
        prometheus.wait_for(f"sum(llm_requests_total) == {shown.value('llm_requests_total')}")
        prometheus.wait_for("sum(rate(llm_requests_total[1m])) > 0")
        prometheus.wait_for("sum(rate(llm_observatory_rows_total[1m])) > 0")
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


def _spans(service: Service) -> int:
    return int(service.metrics().value("llm_observatory_spans_total", outcome="accepted"))


def _prometheus(directory: Path, service: Service, shown: Metrics, now: float) -> Any:
    target = urlsplit(service.endpoints.metrics).netloc
    windows = [Window(now - 30 * _HOUR_S, now - 25 * _HOUR_S)]
    for week, factor in enumerate(_WEEKS, start=1):
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


_BOARDS = {str(path): json.loads(text) for path, text in dashboards().items()}
every_board = pytest.mark.parametrize("dashboard", _BOARDS.values(), ids=_BOARDS.keys())


def _as_opened(scene: Scene, dashboard: Mapping[str, Any]) -> Chosen:
    """The dashboard's own choices, and the trace that a reader clicks in its list of traces."""
    chosen = Chosen.defaults(dashboard)
    if "trace_id" in chosen.values:
        newest = "SELECT argMax(TraceId, Timestamp) FROM otel_traces WHERE SpanClass = 'agent'"
        chosen.values["trace_id"] = [str(scene.clickhouse.query(newest).result_rows[0][0])]
    return chosen


@every_board
def test_every_panel_shows_data(scene: Scene, dashboard: Mapping[str, Any]) -> None:
    chosen = _as_opened(scene, dashboard)
    failed = [
        f"{query.place}: {error or 'no data'}"
        for query, error, answer in ask(scene, dashboard, chosen)
        if not answer
    ]
    assert not failed, "\n".join(failed)


def test_the_band_of_past_weeks_is_two_deviations_wide(scene: Scene) -> None:
    dashboard = _BOARDS["dashboards/overview.json"]
    chosen = Chosen.defaults(dashboard)
    found = {
        query.target["legendFormat"]: answer[-1]
        for query, _, answer in ask(scene, dashboard, chosen)
        if query.place.startswith("Requests against usual")
    }
    deviation = statistics.pstdev(_WEEKS) / statistics.fmean(_WEEKS)
    assert found["upper"] == pytest.approx(found["usual"] * (1 + 2 * deviation), rel=0.01)
    assert found["lower"] == pytest.approx(found["usual"] * (1 - 2 * deviation), rel=0.01)


def test_the_map_of_costs_is_a_flame_graph(scene: Scene) -> None:
    dashboard = _BOARDS["dashboards/cost.json"]
    asked = ask(scene, dashboard, Chosen.defaults(dashboard))
    [rows] = [rows for query, _, rows in asked if query.place.startswith("Feature, service")]
    below: list[int] = []  # What is left for children, by level.
    for level, _, value, own in rows:
        assert level <= len(below), rows
        if level:
            below[level - 1] -= value
            assert below[level - 1] >= 0, rows
        del below[level:]
        below.append(value - own)
    total = scene.clickhouse.query(
        "SELECT sum(CostUsd) FROM llm_usage_1h WHERE Time > now() - INTERVAL 24 HOUR"
    )
    assert rows[0][2] == pytest.approx(float(total.result_rows[0][0]) * 1e9, rel=1e-6)


def test_the_waterfall_arrives_at_the_cost_of_now(scene: Scene) -> None:
    dashboard = _BOARDS["dashboards/cost.json"]
    asked = ask(scene, dashboard, Chosen.defaults(dashboard))
    [rows] = [rows for query, _, rows in asked if query.place.startswith("Waterfall")]
    (_, _, before, _, _), *steps, (_, _, now, _, _) = rows
    assert before + sum((rise or 0) - (fall or 0) for *_, rise, fall in steps) == pytest.approx(now)


def test_the_forecast_goes_on_at_the_rate_so_far(scene: Scene) -> None:
    dashboard = _BOARDS["dashboards/cost.json"]
    asked = ask(scene, dashboard, Chosen.defaults(dashboard))
    [[(spent, forecast)]] = [
        rows for query, _, rows in asked if query.place.startswith("This month")
    ]
    [(first, total)] = scene.clickhouse.query(
        "SELECT toUnixTimestamp(min(Time)), toFloat64(sum(CostUsd)) FROM llm_usage_1h"
    ).result_rows
    now = datetime.now(UTC)
    left = (now.replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    ) - now
    per_second = total / max(now.timestamp() - first, 3600)
    assert forecast == pytest.approx(spent + per_second * left.total_seconds(), rel=0.01)


def test_every_rule_can_be_evaluated(scene: Scene) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = scene.prometheus.get("/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(
        lambda: all(rule["health"] != "unknown" for rule in rules()),
        30,
        lambda: f"not evaluated: {[r['name'] for r in rules() if r['health'] == 'unknown']}",
    )
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule["health"] != "ok"} == {}


def test_a_broken_and_an_empty_query_are_noticed(scene: Scene) -> None:
    dashboard = json.loads(json.dumps(_BOARDS["dashboards/latency.json"]))
    exprs = {
        "fails": 'sum(rate(llm_requests_total{"))',
        "is empty": 'llm_requests_total{model="no such"}',
        "is no number": "0 / (0 * sum(llm_requests_total))",
        "has no exemplars": "sum(rate(llm_tokens_total[1m]))",
    }
    of_prometheus = {"refId": "A", "datasource": {"type": "prometheus"}, "exemplar": False}
    of_clickhouse = {"refId": "A", "datasource": {"type": "grafana-clickhouse-datasource"}}
    sqls = {
        "sql fails": "SELECT Nothing FROM otel_traces",
        "sql is empty": "SELECT 1 WHERE 0",
        "sql is null": "SELECT sumOrNull(CostUsd) FROM otel_traces WHERE Model = 'no such'",
    }
    dashboard["panels"] = [
        {"title": title, "targets": [of_prometheus | {"expr": expr, "exemplar": "ex" in title}]}
        for title, expr in exprs.items()
    ] + [
        {"title": title, "targets": [of_clickhouse | {"rawSql": text}]}
        for title, text in sqls.items()
    ]
    asked = ask(scene, dashboard, Chosen.defaults(dashboard))
    failed = {q.place.removesuffix(" [A]"): error for q, error, answer in asked if not answer}
    assert failed.keys() == exprs.keys() | sqls.keys()
    assert {title for title, error in failed.items() if error} == {"fails", "sql fails"}


@every_board
def test_every_query_works_with_choices(scene: Scene, dashboard: Mapping[str, Any]) -> None:
    chosen = Chosen.defaults(dashboard)
    picked = {
        "service": [service.name for service in SERVICES[:2]],
        "model": ["gpt-4o-mini", "it's (odd)"],
        "feature": ["refunds"],
        "search": ["parcel"],
    }
    chosen.values |= {name: value for name, value in picked.items() if name in chosen.values}
    failed = [
        f"{query.place}: {error}" for query, error, _ in ask(scene, dashboard, chosen) if error
    ]
    assert not failed, "\n".join(failed)
