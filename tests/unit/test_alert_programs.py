"""What is generated, judged by promtool and amtool; and the files for Grafana."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards_py import pack
from dashboards_py.alert import Record
from dashboards_py.formats import grafana
from dashboards_py.formats.routes import routes
from dashboards_py.generate_rules import GENERATED, rules_files, write
from dashboards_py.thresholds import Configuration, Site
from tests.support.prometheus import binary

ROOT = Path(__file__).parents[2]
TOPICS = pack.topics(Configuration())
ALERTS = {alert.name: (topic, alert) for topic, alerts in TOPICS.items() for alert in alerts}
RECORDS = [
    rule
    for groups in pack.records(Configuration()).values()
    for group in groups
    for rule in group.rules
    if isinstance(rule, Record)
]


def run(*command: str) -> str:
    done = subprocess.run(
        [binary(command[0]), *command[1:]], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_every_rule_file() -> None:
    files = sorted(map(str, (GENERATED / "prometheus").glob("*.yml")))
    out = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert sum(map(int, re.findall(r"SUCCESS: (\d+) rules", out))) == len(ALERTS) + len(RECORDS)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_promtool_agrees_with_the_stories(name: str) -> None:
    """It fires with exactly these labels and texts, stays quiet when close, and ends."""
    run("promtool", "test", "rules", str(GENERATED / f"prometheus/tests/{name}.yml"))


def test_a_story_that_is_wrong_fails(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    write(rules_files(), tmp_path)
    path = tmp_path / "prometheus/tests/LLMProviderDown.yml"
    path.write_text(path.read_text().replace("100% of the calls", "99% of the calls"))

    with pytest.raises(AssertionError, match="FAILED"):
        run("promtool", "test", "rules", str(path))


RECORD_TESTS = """
rule_files: [{rules}/records-anomaly.yml, {rules}/records-slo.yml]
evaluation_interval: {interval}
group_eval_order: [llm-usual, llm-slo-availability, llm-slo-latency, llm-slo-ttft]
tests:
  - interval: {interval}
    input_series: {series}
    promql_expr_test: {expected}
"""


def _records(tmp_path: Path, interval: str, series: dict[str, str], **expected: Any) -> None:
    path = tmp_path / "records.yml"
    tests = [
        {
            "expr": expr,
            "eval_time": expected["at"],
            "exp_samples": [{"labels": "{}", "value": value}],
        }
        for expr, value in expected["values"].items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    path.write_text(
        RECORD_TESTS.format(
            rules=GENERATED / "prometheus",
            interval=interval,
            series=json.dumps(inputs),
            expected=json.dumps(tests),
        )
    )
    run("promtool", "test", "rules", str(path))


def test_what_is_usual_is_taken_from_the_same_hour_of_four_weeks(tmp_path: Path) -> None:
    """Weeks of 10, 20, 30 and 40 USD an hour; then 99 now, which is in none of the numbers."""
    rate = 'llm:cost_usd:per_hour{service_name="checkout"}'
    usual = "sum(llm:cost_usd:per_hour:past_"
    _records(
        tmp_path,
        "1h",
        {rate: "10+0x167 20+0x167 30+0x167 40+0x167 99+0x9"},
        at="675h",
        values={
            f"{usual}median)": 25,
            f"{usual}avg)": 25,
            f"{usual}stddev)": 11.180339887498949,
            f"{usual}mad)": 10,
            f"{usual}count)": 4,
        },
    )


def test_a_long_window_is_weighted_by_traffic(tmp_path: Path) -> None:
    """An hour of 100 good calls a minute, one of 10 bad ones: 1 in 11 is bad, not half."""
    labels = 'service_name="s",provider="p",model="m"'
    _records(
        tmp_path,
        "1m",
        {
            f'llm_requests_total{{{labels},status="ok",outcome="ok"}}': "0+100x60 6000+0x120",
            f'llm_requests_total{{{labels},status="error",outcome="timeout"}}': (
                "0+0x60 10+10x59 600+0x60"
            ),
        },
        at="130m",
        # 600 of 6600: round, because the first minutes of a rate have no whole window.
        values={"round(sum(llm:availability_bad:ratio_rate6h), 0.001)": 0.091},
    )


_ALERTMANAGER = str(GENERATED / "alertmanager/alertmanager.yml")


def test_amtool_accepts_the_configuration_and_its_templates() -> None:
    assert "1 templates" in run("amtool", "check-config", _ALERTMANAGER)


def test_amtool_accepts_every_receiver_that_a_site_can_have(tmp_path: Path) -> None:
    site = Site(
        webhook_url="http://hook:1",
        dead_mans_switch_url="http://switch:1",
        slack_threads_url="http://threads:9099",
    )
    write(rules_files(Configuration(site=site)), tmp_path)
    assert "6 receivers" in run(
        "amtool", "check-config", str(tmp_path / "alertmanager/alertmanager.yml")
    )


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"priority": "P0"}, "pagerduty,slack"),
        ({"priority": "P1"}, "pagerduty,slack"),
        ({"priority": "P2"}, "slack"),
        ({"priority": "P3"}, "slack-quiet"),
        ({"alertname": "Watchdog", "priority": "none"}, "nobody"),
        ({"alertname": "LLMBudget80", "priority": "P2"}, "slack"),
        ({"alertname": "LLMBudget100", "priority": "P1"}, "pagerduty,slack"),
        ({"alertname": "SomebodyElses"}, "slack"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_amtool_routes_each_priority(labels: dict[str, str], receivers: str) -> None:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    out = run("amtool", "config", "routes", "test", f"--config.file={_ALERTMANAGER}", *pairs)
    assert out.strip() == receivers


def test_no_secret_is_in_what_is_generated() -> None:
    text = "\n".join(rules_files().values())
    assert "hooks.slack.com" not in text
    config = yaml.safe_load(Path(_ALERTMANAGER).read_text())
    for receiver in config["receivers"]:
        for kind in ("slack_configs", "pagerduty_configs"):
            for each in receiver.get(kind, ()):
                assert {"api_url", "routing_key", "service_key"}.isdisjoint(each)
                assert {"api_url_file", "routing_key_file"} & set(each)


# Grafana


def test_grafana_has_the_same_alerts_under_identifiers_that_it_takes() -> None:
    content = yaml.safe_load((GENERATED / "grafana-alerting/rules.yml").read_text())
    rules = [rule for group in content["groups"] for rule in group["rules"]]

    assert {rule["title"] for rule in rules} == set(ALERTS)
    uids = [rule["uid"] for rule in rules]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"llmobs-[a-z0-9-]{1,33}", uid) for uid in uids)
    for rule in rules:
        _, alert = ALERTS[rule["title"]]
        (query, condition) = rule["data"]
        assert query["model"]["expr"].replace("$$", "$") == alert.expr
        assert (query["datasourceUid"], condition["datasourceUid"]) == (
            "llmobs-prometheus",
            "__expr__",
        )
        assert rule["labels"]["priority"] == alert.priority
        assert "$value " not in str(rule["annotations"]).replace("$$", "$")


def test_a_dollar_sign_is_doubled_unless_it_names_a_secret() -> None:
    """Grafana replaces `$NAME`: a template's `$labels` would vanish."""
    for name in ("rules.yml", "templates.yml", "contact-points.yml", "policies.yml"):
        text = (GENERATED / "grafana-alerting" / name).read_text()
        single = set(re.findall(r"(?<!\$)\$(?!\$)(\{?\w*)", text))
        secrets = {f"{{{grafana.SLACK_VARIABLE}", f"{{{grafana.PAGERDUTY_VARIABLE}"}
        assert single <= (secrets if name == "contact-points.yml" else set()), name


def test_grafanas_policies_lead_to_its_contact_points() -> None:
    folder = GENERATED / "grafana-alerting"
    points = yaml.safe_load((folder / "contact-points.yml").read_text())["contactPoints"]
    policies = yaml.safe_load((folder / "policies.yml").read_text())
    (root,) = policies["policies"]
    names = {point["name"] for point in points}

    assert {root["receiver"], *(route["receiver"] for route in root["routes"])} <= names
    muted = {name for route in root["routes"] for name in route.get("mute_time_intervals", ())}
    assert muted == {time["name"] for time in policies["muteTimes"]}
    assert len(root["routes"]) == len(routes(Site()))
