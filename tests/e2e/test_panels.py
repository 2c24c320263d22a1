"""Every query of every panel is asked of real data: an error or an empty answer fails."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboards_py.generate import dashboards
from tests.e2e.panel_scene import WEEKS, open_scene
from tests.e2e.panel_sources import Scene, ask
from tests.e2e.panel_traffic import SERVICES
from tests.pictures.board import answered
from tests.support.grafana_queries import Chosen
from tests.support.prometheus import wait_until
from tests.support.table_columns import room_px, shown_columns


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with open_scene(tmp_path_factory.mktemp("panels")) as opened:
        yield opened


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


@every_board
def test_every_column_of_a_table_is_for_people(scene: Scene, dashboard: Mapping[str, Any]) -> None:
    """Words above it, a unit for each number, and no column out of sight."""
    wrong: list[str] = []
    tables = [panel for panel in dashboard["panels"] if panel["type"] == "table"]
    for each in answered(scene, {**dashboard, "panels": tables})["panels"]:
        panel, frames = each["panel"], each["frames"]
        columns = list(shown_columns(panel, frames))
        assert columns, panel["title"]
        wrong += [
            f"{panel['title']}: title {column.title!r}" for column in columns if not column.is_human
        ]
        wrong += [
            f"{panel['title']}: {column.title} has no unit"
            for column in columns
            if column.kind == "number" and not column.unit
        ]
        wrong += [
            f"{panel['title']}: {column.title} is cut at {column.width_px} pixels"
            for column in columns
            if not column.has_room
        ]
        needed = sum(column.width_px for column in columns)
        if needed > room_px(panel):
            wrong.append(f"{panel['title']}: {needed} pixels in {room_px(panel)}")
    assert not wrong, "\n".join(wrong)


def test_the_band_of_past_weeks_is_two_deviations_wide(scene: Scene) -> None:
    dashboard = _BOARDS["dashboards/overview.json"]
    chosen = Chosen.defaults(dashboard)
    found = {
        query.target["legendFormat"]: answer[-1]
        for query, _, answer in ask(scene, dashboard, chosen)
        if query.place.startswith("Requests against usual")
    }
    deviation = statistics.pstdev(WEEKS) / statistics.fmean(WEEKS)
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
