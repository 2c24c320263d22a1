"""Every rule evaluates without an error on what the running service really shows."""

from __future__ import annotations

import re
from pathlib import Path

from dashboards_py import pack
from dashboards_py.alert import Record
from dashboards_py.foreign import FOREIGN, UP
from dashboards_py.thresholds import Configuration
from tests.demo.alerts import STEP_MAX_S, THRESHOLDS, stage
from tests.support.prometheus import wait_until

# These series begin with the first event of their kind, and the shop has none.
_ONLY_WHEN_IT_HAPPENS = {"llm_unpriced_requests_total", "llm_requests_without_usage_total"}
_METRIC = re.compile(r"\b((?:llm_|up\b|ClickHouse)\w*)")


def test_rules_find_the_metrics_that_they_name(tmp_path: Path) -> None:
    configuration = Configuration(thresholds=THRESHOLDS)
    records = [
        rule.name
        for groups in pack.records(configuration).values()
        for group in groups
        for rule in group.rules
        if isinstance(rule, Record)
    ]
    alerts = [alert for each in pack.topics(configuration).values() for alert in each]
    with stage(tmp_path) as (_, scene):
        prometheus = scene.prometheus

        def empty() -> list[str]:
            return [name for name in records if not prometheus.query(name)]

        wait_until(lambda: not empty(), STEP_MAX_S, lambda: f"no data for {empty()}")

        rules = [
            rule
            for group in prometheus.get("/api/v1/rules")["data"]["groups"]
            for rule in group["rules"]
        ]
        assert len(rules) == len(records) + len(alerts)
        assert [(rule["name"], rule.get("lastError")) for rule in rules
                if rule["health"] != "ok"] == []  # fmt: skip

        shown = set(prometheus.get("/api/v1/label/__name__/values")["data"])
        used = {
            name
            for alert in alerts
            for name in _METRIC.findall(re.sub(r'"[^"]*"', "", alert.expr))
            if not name.endswith(":")
        } - {name.partition(":")[0] for name in records}
        foreign = {metric.sample_name for metric in FOREIGN} - {UP.sample_name}
        assert len(used) > 20
        assert used - shown == foreign | _ONLY_WHEN_IT_HAPPENS
