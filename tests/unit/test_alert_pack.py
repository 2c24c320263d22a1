"""The alert pack as data: complete, declared, and the same on every run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from dashboards_py import pack
from dashboards_py.alert import Alert, Priority, Record
from dashboards_py.expressions import ExpressionError, duration, labels_of, select, under
from dashboards_py.foreign import FOREIGN
from dashboards_py.formats.prometheus import links
from dashboards_py.generate_rules import GENERATED, main, rules_files, write
from dashboards_py.thresholds import Configuration, Site, ThresholdError, Thresholds, load
from exporter.metrics.catalog import BUDGET_METRICS, METRICS, REQUEST_DURATION, REQUESTS
from exporter.metrics.own import OWN_METRICS

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
DECLARED = {
    f"{metric.name}{suffix}": {*labels_of(metric), *(("le",) if suffix == "_bucket" else ())}
    for metric in (*METRICS, *BUDGET_METRICS, *OWN_METRICS, *FOREIGN)
    for suffix in ("", "_total", "_bucket", "_count", "_sum")
} | {record.name: set(record.keep) for record in RECORDS}


PROMISED = """
    LLMErrorBudgetBurnFast LLMErrorBudgetBurnSlow LLMProviderDown LLMRateLimited LLMRetryStorm
    LLMContentFilterSpike LLMTruncations LLMLatencySLOBurnFast LLMLatencySLOBurnSlow
    LLMTTFTSLOBurnFast LLMTTFTSLOBurnSlow LLMTimePerOutputTokenHigh LLMBudgetBurnRateFast
    LLMBudgetBurnRateSlow LLMBudget80 LLMBudget95 LLMBudget100 LLMBudgetForecastExceeded
    LLMCostAnomaly LLMCostPerRequestJump LLMTokenSurge LLMCacheHitDrop LLMUnpricedModel
    LLMUsageMissing LLMPriceTableStale LLMSeriesOverflow LLMClockSkewSpans LLMObsDown LLMIngestLag
    LLMSpansDropped LLMSpansRejected LLMQueueFilling LLMBufferHigh LLMClickHouseInsertErrors
    LLMExporterNoTraffic Watchdog LLMNewModel LLMErrorRateHigh LLMErrorRateElevated
    LLMLatencyP95High
"""


def test_the_pack_has_every_alert_that_is_promised() -> None:
    assert set(PROMISED.split()) <= set(ALERTS)
    assert len(ALERTS) == sum(map(len, TOPICS.values())), "a name occurs twice"


def _alerts_table() -> str:
    lines = ["| alert | priority | for | says | fires when |", "|---|---|---|---|---|"]
    for alert in sorted(
        (alert for _, alert in ALERTS.values()), key=lambda a: (a.priority, a.name)
    ):
        title = next(case.title for case in pack.stories()[alert.name] if case.fires)
        lines.append(
            f"| [`{alert.name}`](runbooks/{alert.name.lower()}.md) | {alert.priority} "
            f"| {duration(alert.hold_s) if alert.hold_s else ''} | {alert.summary} | {title} |"
        )
    return "\n".join(lines)


def _thresholds_table() -> str:
    lines: list[str] = []
    for section, kind in (("thresholds", Thresholds), ("site", Site)):
        lines += [f"| {section} | default | why |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {_shown(field.default)} | {field.metadata['reason']} |"
            for name, field in kind.__dataclass_fields__.items()
        ]
        lines.append("")
    return "\n".join(lines).strip()


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return f"`{[list(burn) for burn in default]}`"
    return f"`{default}`" if default not in ("", False) else ""


@pytest.mark.parametrize(
    ("name", "table"), [("alerts", _alerts_table()), ("thresholds", _thresholds_table())]
)
def test_the_tables_of_the_documentation_are_what_the_code_says(name: str, table: str) -> None:
    page = ROOT / "docs/alerts.md"
    text = page.read_text(encoding="utf-8")
    section = re.compile(rf"(<!-- {name}: generated -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)
    if os.environ.get("UPDATE_GOLDEN"):
        text = section.sub(lambda found: f"{found[1]}{table}\n{found[3]}", text)
        page.write_text(text, encoding="utf-8")
    found = section.search(text)
    assert found is not None
    assert found[2].strip() == table


def test_every_link_of_the_documentation_leads_to_a_file() -> None:
    pages = [ROOT / "docs/alerts.md", *(ROOT / "docs/runbooks").iterdir()]
    missing = [
        (page.name, link)
        for page in pages
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert missing == []


def test_what_is_generated_is_what_is_committed() -> None:
    files = rules_files()
    committed = {
        str(path.relative_to(GENERATED)): path.read_text(encoding="utf-8")
        for folder in ("prometheus", "alertmanager", "grafana-alerting")
        for path in (GENERATED / folder).rglob("*")
        if path.is_file() and path.name != ".gitkeep"
    }
    stale = {k for k in files.keys() | committed.keys() if files.get(k) != committed.get(k)}
    assert not stale, "run `make generate`"


def test_generating_again_changes_nothing_and_leaves_strangers_alone(tmp_path: Path) -> None:
    assert write(rules_files(), tmp_path) == sorted(rules_files())
    stranger = tmp_path / "prometheus" / "mine.yaml"
    stranger.write_text("x")
    stale = tmp_path / "prometheus" / "alerts-gone.yml"
    stale.write_text("x")

    assert write(rules_files(), tmp_path) == ["prometheus/alerts-gone.yml"]
    assert stranger.exists()
    assert not stale.exists()


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_alert_is_complete(name: str) -> None:
    """A priority, texts with a number or a name, a story that fires and one that does not."""
    _, alert = ALERTS[name]
    cases = pack.stories()[name]

    assert alert.summary[0].isupper() or alert.summary[0].isdigit()
    assert not alert.summary.endswith(".")
    assert "{{" not in alert.summary, "the summary is the same for every instance"
    assert alert.description.endswith(".")
    assert any(case.fires for case in cases)
    if alert.priority is not Priority.NONE:
        assert any(case.quiet for case in cases)
        assert re.search(r"\$value|\$labels", alert.description) or name == "LLMExporterNoTraffic"
        _ends(alert)


def _ends(alert: Alert) -> None:
    """One story is quiet before the alert fires, and after."""
    minutes = {"m": 1, "h": 60, "d": 1440}

    def at(time: str) -> int:
        return int(time[:-1]) * minutes[time[-1]]

    assert any(
        case.fires
        and any(at(q) < min(at(f.at) for f in case.fires) for q in case.quiet)
        and any(at(q) > max(at(f.at) for f in case.fires) for q in case.quiet)
        for case in pack.stories()[alert.name]
    )


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_the_links_of_an_alert_lead_to_dashboards_with_those_variables(name: str) -> None:
    _, alert = ALERTS[name]
    boards = {
        board["uid"]: {each["name"] for each in board["templating"]["list"]}
        for path in (GENERATED / "dashboards").glob("*.json")
        if (board := json.loads(path.read_text(encoding="utf-8")))
    }
    values = dict.fromkeys(alert.keep, "x")
    found = links(alert, Site(), values)
    for kind in ("dashboard_url", "trace_url"):
        if kind in found:
            address = urlsplit(found[kind])
            variables = {name.removeprefix("var-") for name in parse_qs(address.query)}
            assert variables <= boards[address.path.removeprefix("/d/")]
    assert ("trace_url" in found) == alert.traces


def test_every_story_is_of_an_alert() -> None:
    assert set(pack.stories()) == set(ALERTS)


def test_every_alert_has_a_runbook_and_no_runbook_is_left_over() -> None:
    folder = ROOT / "docs/runbooks"
    assert {f"{name.lower()}.md" for name in ALERTS} == {path.name for path in folder.iterdir()}
    for name, (_, alert) in ALERTS.items():
        text = (folder / f"{name.lower()}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {name}\n")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["What it means", "First look", "Likely causes", "What to do"], name
        if alert.priority is not Priority.NONE:
            assert f"**{alert.priority}**" in text, name


@pytest.mark.parametrize(
    "expr",
    [alert.expr for _, alert in ALERTS.values()] + [record.expr for record in RECORDS],
    ids=[*ALERTS, *(record.name for record in RECORDS)],
)
def test_an_expression_names_only_what_is_declared(expr: str) -> None:
    text = re.sub(r"\[[^\]]*\]|offset \w+", "", expr)
    for name, matchers in re.findall(r"([A-Za-z_:][\w:]*)\{([^}]*)\}", text):
        used = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", matchers)))
        assert used <= DECLARED[name] | {"job"}, name
    bare = re.sub(r'"[^"]*"|\{[^}]*\}', "", text)
    kept = {
        label.strip()
        for group in re.findall(r"(?:by|on|group_left) \(([^)]*)\)", bare)
        for label in group.split(",")
    } - {""}
    every = set().union(*DECLARED.values())
    assert kept <= every
    words = set(re.findall(r"[A-Za-z_:][\w:]*", re.sub(r"\b\d[\w.]*", "", bare)))
    known_words = {
        "sum", "rate", "increase", "by", "and", "or", "unless", "on", "group_left", "time",
        "vector", "histogram_quantile", "avg_over_time", "sum_over_time", "max_over_time",
        "last_over_time", "count_over_time",
        "delta", "deriv", "absent", "max", "min", "count", "avg", "stddev", "quantile", "abs",
        "label_replace", "group", "offset",
    }  # fmt: skip
    assert words - known_words - kept <= set(DECLARED)


def test_a_query_cannot_name_a_label_or_a_bucket_that_is_not_there() -> None:
    with pytest.raises(ExpressionError, match="no label colour"):
        select(REQUESTS, colour="red")
    with pytest.raises(ExpressionError, match=r"no bucket of 2 s; it has 0\.01"):
        under(REQUEST_DURATION, 2)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (1, "1s"), (90, "90s"), (300, "5m"), (5400, "90m"), (259_200, "3d")],
)
def test_durations_are_written_in_the_largest_exact_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thresholds: {error_rate: 1}", "no such name: error_rate"),
        ("thresholds: {error_rate_high: high}", "must be a number above 0"),
        ("thresholds: {error_rate_high: 0}", "must be a number above 0"),
        ("thresholds: {rate_window_s: 1.5}", "whole number"),
        ("thresholds: {burn_fast: [[60, 5, 2]]}", "short window"),
        ("site: {slack_channel: 7}", "must be str"),
        ("limits: {}", "no such section: limits"),
        ("- a", "write the sections"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_wrong_overrides_file_says_what_to_change(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "alerts.yml"
    path.write_text(text)

    with pytest.raises(ThresholdError, match=message):
        load(path)


def test_overrides_reach_the_rules_and_tests_of_the_defaults_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "alerts.yml"
    config.write_text(
        "thresholds: {error_rate_high: 0.25, burn_fast: [[60, 600, 10]]}\n"
        "site: {grafana_url: 'https://grafana.example', webhook_url: 'https://hook.example'}\n"
    )
    assert main(["--config", str(config), "--out", str(tmp_path / "out")]) == 0

    rules = (tmp_path / "out/prometheus/alerts-availability.yml").read_text()
    assert "> 0.25" in rules
    assert "ratio_rate10m > 10 * 0.01" in rules
    assert "https://grafana.example/d/" in rules
    assert not (tmp_path / "out/prometheus/tests").exists()
    routed = yaml.safe_load((tmp_path / "out/alertmanager/alertmanager.yml").read_text())
    assert "webhook" in {receiver["name"] for receiver in routed["receivers"]}
    assert "files" in capsys.readouterr().out

    config.write_text("thresholds: {latency_slo_s: 2}")
    assert main(["--config", str(config), "--out", str(tmp_path / "out")]) == 2
    assert "no bucket of 2 s" in capsys.readouterr().err


def test_every_threshold_says_why() -> None:
    for kind in (Thresholds, Site):
        for name, field in kind.__dataclass_fields__.items():
            assert len(field.metadata["reason"]) > 10, name
