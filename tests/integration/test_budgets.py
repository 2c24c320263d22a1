"""Budgets of a running service: what is spent comes from ClickHouse's sums."""

from __future__ import annotations

from pathlib import Path

from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.otlp import request
from tests.support.service import Metrics, recent_call, running_service, start_service, store_url

BUDGETS = """
budgets:
  - {name: all, period: month, amount_usd: 100}
  - {name: by feature, period: week, amount_usd: 50, scope: {feature: [search, chat]}}
  - {name: by user, period: day, amount_usd: 5, scope: {user_id: u-1, model: gpt-4o}}
  - {name: nothing, period: day, amount_usd: 5, scope: {tenant: nobody}}
"""


def _spent(metrics: Metrics) -> dict[str, float]:
    return {labels["budget"]: value for labels, value in metrics.series("llm_budget_spent_usd")}


def test_spending_is_summed_by_scope_and_absent_while_it_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "budgets.yml"
    file.write_text(BUDGETS)
    # 100 input and 20 output tokens of gpt-4o: 100 * 2.50 + 20 * 10 USD a million.
    cost = 0.00045
    with (
        clickhouse_http_server(tmp_path / "engine") as server,
        running_service(
            tmp_path / "service",
            clickhouse_url=store_url(server),
            budgets_file=file,
            budgets_refresh_s=0.1,
            spans_retention_days=31,
        ) as service,
    ):
        spans = [
            recent_call({"user.id": "u-1", "app.feature": "search"}, number=1),
            recent_call({"user.id": "u-2", "app.feature": "chat"}, number=2),
            recent_call({"user.id": "u-1"}, number=3),
        ]
        assert service.export(request(*spans)).status == 200
        service.wait_until_stored(3)
        features = service.query("SELECT Feature, UserId FROM otel_traces ORDER BY SpanId")
        assert [tuple(row) for row in features] == [("search", "u-1"), ("chat", "u-2"), ("", "u-1")]

        expected = {"all": 3 * cost, "by feature": 2 * cost, "by user": 2 * cost, "nothing": 0.0}
        metrics = service.wait_for(
            lambda m: round(_spent(m).get("all", 0), 9) == round(3 * cost, 9)
        )
        assert {k: round(v, 9) for k, v in _spent(metrics).items()} == {
            k: round(v, 9) for k, v in expected.items()
        }
        assert metrics.value("llm_budget_usd", budget="all", period="month") == 100
        assert metrics.value("llm_budget_usd", budget="by user", period="day") == 5

        server.fail_next(159, times=5_000, match="AS Spent")
        gone = service.wait_for(lambda m: not _spent(m))
        assert gone.series("llm_budget_usd") == []
        # A scrape reads this before it reads the budgets, so the next one knows of all.
        service.wait_for(
            lambda m: m.value("llm_observatory_budget_reads_total", outcome="failed") >= 4
        )


def test_a_wrong_budgets_file_stops_the_start_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "budgets.yml"
    file.write_text("budgets: [{name: a, period: year, amount_usd: 1}]")

    service = start_service(tmp_path / "service", budgets_file=file)
    assert service.wait() == 2
    assert "budgets.yml" in service.output
    assert "Traceback" not in service.output
