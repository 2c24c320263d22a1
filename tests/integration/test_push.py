"""Pushing brings a Grafana to what is wanted, and never touches what is not ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from dashboards_py.push.cli import app
from tests.support.grafana import ADMIN, EDITOR, VIEWER, StandInGrafana, stand_in_grafana

SLACK_URL = "https://hooks.slack.example/services/T0/B0/secret"
FOREIGN = {"uid": "theirs", "title": "Theirs", "tags": ["team-a"], "version": 1, "panels": []}
URLS = ["--observatory-url", "http://llmobs:8080", "--prometheus-url", "http://prometheus:9090"]


def board(uid: str, title: str) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "llmobs-prometheus"}
    panel = {"id": 1, "type": "stat", "title": "Requests", "datasource": source, "targets": []}
    return {
        "uid": uid,
        "title": title,
        "tags": ["llm-observatory"],
        "schemaVersion": 41,
        "panels": [panel],
    }


ALERTING = {
    "apiVersion": 1,
    "groups": [
        {
            "orgId": 1,
            "name": "availability",
            "folder": "LLM Observatory",
            "interval": "1m",
            "rules": [
                {
                    "uid": "llmobs-down",
                    "title": "LLMObsDown",
                    "condition": "A",
                    "data": [{"refId": "A", "datasourceUid": "llmobs-prometheus", "model": {}}],
                    "for": "5m",
                    "keepFiringFor": "10m",
                    "noDataState": "OK",
                    "execErrState": "Error",
                    "dashboardUid": "llmobs-overview",
                    "panelId": 3,
                    "annotations": {"summary": "{{ $$labels.job }} is down"},
                    "labels": {"product": "llm-observatory"},
                }
            ],
        }
    ],
    "contactPoints": [
        {
            "orgId": 1,
            "name": "LLM Observatory slack",
            "receivers": [
                {
                    "uid": "llmobs-slack",
                    "type": "slack",
                    "settings": {"url": "$SLACK_WEBHOOK_URL", "title": "{{ $$x }}"},
                }
            ],
        }
    ],
    "templates": [{"orgId": 1, "name": "llm-observatory", "template": '{{ define "a" }}{{ end }}'}],
    "muteTimes": [
        {
            "orgId": 1,
            "name": "llm-observatory-off-hours",
            "time_intervals": [{"weekdays": ["saturday", "sunday"]}],
        }
    ],
    "policies": [
        {
            "orgId": 1,
            "receiver": "LLM Observatory slack",
            "routes": [
                {
                    "receiver": "LLM Observatory slack",
                    "object_matchers": [["priority", "=", "P1"]],
                    "mute_time_intervals": ["llm-observatory-off-hours"],
                },
                {"receiver": "LLM Observatory pagerduty"},
            ],
        }
    ],
}


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    root = tmp_path / "generated"
    for folder in ("dashboards", "dashboards-core", "grafana-alerting"):
        (root / folder).mkdir(parents=True)
    for folder in ("dashboards", "dashboards-core"):
        write_board(root / folder, board("llmobs-overview", "Overview"))
        write_board(root / folder, board("llmobs-cost", "Cost"))
    (root / "grafana-alerting" / "all.yaml").write_text(yaml.safe_dump(ALERTING))
    return root


def write_board(folder: Path, model: dict[str, Any]) -> None:
    (folder / f"{model['uid']}.json").write_text(json.dumps(model))


@pytest.fixture(params=[False, True], ids=["api", "apis"])
def grafana(request: pytest.FixtureRequest) -> Iterator[StandInGrafana]:
    with stand_in_grafana(apis=request.param) as stand_in:
        stand_in.folders["theirs"] = {"uid": "theirs", "title": "Theirs", "version": 1}
        stand_in.dashboards["theirs"] = dict(FOREIGN)
        stand_in.folder_of["theirs"] = "theirs"
        stand_in.policies["routes"] = [{"receiver": "grafana-default-email", "continue": True}]
        yield stand_in


def push(
    grafana: StandInGrafana,
    generated: Path,
    *options: str,
    token: str = ADMIN,
    slack: str = SLACK_URL,
    **variables: str,
) -> Result:
    environ = {"GRAFANA_URL": grafana.url, "GRAFANA_TOKEN": token, "SLACK_WEBHOOK_URL": slack}
    environ |= variables
    arguments = ["push", "--from", str(generated), *options]
    result = CliRunner().invoke(app, arguments, env=environ, terminal_width=200)
    if result.exception and not isinstance(result.exception, SystemExit):
        # The command's own entry point turns it into a line.
        assert token not in str(result.exception)
    assert token not in result.output
    assert SLACK_URL not in result.output
    return result


def test_a_first_push_brings_everything(grafana: StandInGrafana, generated: Path) -> None:
    result = push(grafana, generated, *URLS, "--alerts")
    assert result.exit_code == 0, result.output
    assert grafana.datasources.keys() == {"llmobs-prometheus", "llmobs-tempo", "llmobs-pyroscope"}
    assert grafana.datasources["llmobs-tempo"]["url"] == "http://llmobs:8080/tempo"
    assert grafana.dashboards.keys() == {"theirs", "llmobs-overview", "llmobs-cost"}
    assert grafana.folder_of["llmobs-cost"] == "llm-observatory"
    (group,) = grafana.groups.values()
    (rule,) = group["rules"]
    assert group["interval"] == 60
    assert rule["keep_firing_for"] == "10m"
    assert rule["annotations"] == {
        "summary": "{{ $labels.job }} is down",
        "__dashboardUid__": "llmobs-overview",
        "__panelId__": "3",
    }
    assert grafana.contact_points["llmobs-slack"]["settings"] == {
        "url": SLACK_URL,
        "title": "{{ $x }}",
    }
    ours, theirs = grafana.policies["routes"]
    assert ours["receiver"] == "LLM Observatory slack"
    assert [route["receiver"] for route in ours["routes"]] == ["LLM Observatory slack"]
    assert ours["object_matchers"] == [["product", "=", "llm-observatory"]]
    assert theirs == {"receiver": "grafana-default-email", "continue": True}
    assert grafana.policies["receiver"] == "grafana-default-email"


def test_a_second_push_changes_nothing(grafana: StandInGrafana, generated: Path) -> None:
    push(grafana, generated, *URLS, "--alerts")
    grafana.requests.clear()
    result = push(grafana, generated, *URLS, "--alerts")
    assert result.exit_code == 0
    assert grafana.writes == []
    assert "create" not in result.output
    assert "update" not in result.output


def test_everything_that_is_generated_can_be_pushed_twice(grafana: StandInGrafana) -> None:
    environ = {
        "GRAFANA_URL": grafana.url,
        "GRAFANA_TOKEN": ADMIN,
        "SLACK_API_URL": SLACK_URL,
        "PAGERDUTY_ROUTING_KEY": "R0",
    }
    for _ in range(2):
        grafana.requests.clear()
        result = CliRunner().invoke(app, ["push", "--alerts", *URLS], env=environ)
        assert result.exit_code == 0, result.output
    assert grafana.writes == []
    assert "llmobs-overview" in grafana.dashboards
    receivers = {route["receiver"] for route in grafana.policies["routes"][0]["routes"]}
    assert receivers == {point["name"] for point in grafana.contact_points.values()}
    assert len(grafana.groups) >= 5


def test_only_what_differs_is_updated(grafana: StandInGrafana, generated: Path) -> None:
    push(grafana, generated, *URLS, "--alerts")
    write_board(generated / "dashboards", board("llmobs-cost", "Cost by model"))
    grafana.requests.clear()
    assert push(grafana, generated, *URLS, "--alerts").exit_code == 0
    assert len(grafana.writes) == 1
    assert grafana.dashboards["llmobs-cost"]["title"] == "Cost by model"


def test_a_dry_run_shows_the_difference_and_writes_nothing(
    grafana: StandInGrafana, generated: Path
) -> None:
    push(grafana, generated)
    write_board(generated / "dashboards", board("llmobs-cost", "Cost by model"))
    grafana.requests.clear()
    result = push(grafana, generated, "--dry-run", *URLS)
    assert result.exit_code == 3
    assert grafana.writes == []
    assert '"title": "Cost by model"' in result.output
    assert "create: data source llmobs-tempo" in result.output


def test_a_dry_run_without_differences_ends_with_0(
    grafana: StandInGrafana, generated: Path
) -> None:
    push(grafana, generated, *URLS)
    assert push(grafana, generated, "--dry-run", *URLS).exit_code == 0


def test_a_foreign_dashboard_survives_even_under_our_uid(
    grafana: StandInGrafana, generated: Path
) -> None:
    grafana.dashboards["llmobs-cost"] = {**FOREIGN, "uid": "llmobs-cost"}
    grafana.folder_of["llmobs-cost"] = "theirs"
    result = push(grafana, generated, "--prune", "--force")
    assert result.exit_code == 1
    assert "llmobs-cost exists and is not ours" in result.output
    assert grafana.dashboards["llmobs-cost"]["title"] == "Theirs"
    assert grafana.dashboards["theirs"] == FOREIGN
    assert "llmobs-overview" in grafana.dashboards


def test_pruning_deletes_what_is_ours_and_not_wanted_any_more(
    grafana: StandInGrafana, generated: Path
) -> None:
    push(grafana, generated, *URLS, "--alerts")
    (generated / "dashboards" / "llmobs-cost.json").unlink()
    (generated / "grafana-alerting" / "all.yaml").unlink()
    assert "llmobs-cost" in grafana.dashboards
    assert push(grafana, generated, *URLS, "--alerts").exit_code == 0
    assert "llmobs-cost" in grafana.dashboards
    assert push(grafana, generated, *URLS, "--alerts", "--prune").exit_code == 0
    assert grafana.dashboards.keys() == {"theirs", "llmobs-overview"}
    assert grafana.groups == {}
    assert grafana.contact_points == {}
    assert grafana.templates == {}
    assert grafana.mute_timings == {}
    assert grafana.policies["routes"] == [{"receiver": "grafana-default-email", "continue": True}]


def test_a_change_by_somebody_faster_is_read_again_before_it_is_overwritten(
    grafana: StandInGrafana, generated: Path
) -> None:
    push(grafana, generated)
    write_board(generated / "dashboards", board("llmobs-cost", "Cost by model"))

    def somebody_saves() -> None:
        grafana.dashboards["llmobs-cost"]["version"] = grafana.next_version()

    grafana.before_write.append(somebody_saves)
    result = push(grafana, generated)
    assert result.exit_code == 0, result.output
    assert grafana.dashboards["llmobs-cost"]["title"] == "Cost by model"


def test_a_dashboard_that_stops_being_ours_meanwhile_is_left_alone(
    grafana: StandInGrafana, generated: Path
) -> None:
    push(grafana, generated)
    write_board(generated / "dashboards", board("llmobs-cost", "Cost by model"))

    def somebody_takes_it() -> None:
        grafana.dashboards["llmobs-cost"] |= {"tags": [], "version": grafana.next_version()}

    grafana.before_write.append(somebody_takes_it)
    result = push(grafana, generated)
    assert result.exit_code == 1
    assert grafana.dashboards["llmobs-cost"]["title"] == "Cost"


@pytest.mark.parametrize(
    ("token", "options", "message"),
    [
        pytest.param("glsa_nobody", [], "does not know this token", id="unknown"),
        pytest.param(VIEWER, [], "role Editor", id="viewer"),
        pytest.param(EDITOR, URLS, "data sources need Admin", id="editor, data sources"),
    ],
)
def test_a_token_without_rights_gets_told_what_it_lacks(
    grafana: StandInGrafana, generated: Path, token: str, options: list[str], message: str
) -> None:
    result = push(grafana, generated, *options, token=token)
    assert result.exit_code != 0
    assert message in f"{result.output} {result.exception}"


def test_an_editor_may_push_dashboards(grafana: StandInGrafana, generated: Path) -> None:
    assert push(grafana, generated, token=EDITOR).exit_code == 0


def test_data_sources_of_the_user_stand_in_for_ours(
    grafana: StandInGrafana, generated: Path
) -> None:
    assert push(grafana, generated, "--use", "prometheus=corp-prom", "--alerts").exit_code == 0
    panel = grafana.dashboards["llmobs-cost"]["panels"][0]
    assert panel["datasource"]["uid"] == "corp-prom"
    (group,) = grafana.groups.values()
    assert group["rules"][0]["data"][0]["datasourceUid"] == "corp-prom"


def test_without_its_secret_a_contact_point_and_its_routes_are_left_out(
    grafana: StandInGrafana, generated: Path
) -> None:
    assert push(grafana, generated, "--alerts", slack="").exit_code == 0
    assert grafana.contact_points == {}
    assert len(grafana.policies["routes"]) == 1
    assert len(grafana.groups) == 1


def test_rules_lead_to_the_runbooks_once_it_is_said_where_they_are(
    grafana: StandInGrafana, generated: Path
) -> None:
    def annotations() -> dict[str, str]:
        (group,) = grafana.groups.values()
        return group["rules"][0]["annotations"]

    assert push(grafana, generated, "--alerts").exit_code == 0
    assert "runbook_url" not in annotations()
    base = "https://wiki.example.com/llm/"
    assert push(grafana, generated, "--alerts", RUNBOOK_BASE_URL=base).exit_code == 0
    assert annotations()["runbook_url"] == "https://wiki.example.com/llm/llmobsdown.md"
    refused = push(grafana, generated, "--alerts", RUNBOOK_BASE_URL="wiki")
    assert "RUNBOOK_BASE_URL: write http(s)://" in str(refused.exception)


def test_a_new_secret_is_sent_with_force_only(grafana: StandInGrafana, generated: Path) -> None:
    push(grafana, generated, "--alerts")
    for options, sent in (
        [["--alerts"], SLACK_URL],
        [["--alerts", "--force"], "https://new.example"],
    ):
        push(grafana, generated, *options, slack="https://new.example")
        assert grafana.contact_points["llmobs-slack"]["settings"]["url"] == sent


@pytest.mark.parametrize(
    ("environ", "options", "message"),
    [
        pytest.param({}, [], "GRAFANA_URL is not set", id="no address"),
        pytest.param({"GRAFANA_URL": "grafana:3000"}, [], "write http(s)://", id="no scheme"),
        pytest.param(
            {"GRAFANA_URL": "http://127.0.0.1:9"}, [], "GRAFANA_TOKEN is not set", id="no token"
        ),
        pytest.param(
            {"GRAFANA_URL": "http://127.0.0.1:9", "GRAFANA_TOKEN": "x"},
            ["--use", "loki=1"],
            "known are prometheus",
            id="unknown data source",
        ),
        pytest.param(
            {"GRAFANA_URL": "http://127.0.0.1:9", "GRAFANA_TOKEN": "x"},
            [],
            "does not answer",
            id="nobody there",
        ),
    ],
)
def test_a_wrong_call_says_what_to_write(
    generated: Path, environ: dict[str, str], options: list[str], message: str
) -> None:
    cleared = dict.fromkeys(("GRAFANA_URL", "GRAFANA_TOKEN"))
    result = CliRunner().invoke(
        app, ["push", "--from", str(generated), *options], env=cleared | environ
    )
    assert message in str(result.exception)


@pytest.mark.parametrize("form", ["files", "configmaps"])
def test_an_export_holds_every_dashboard(generated: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "out"
    arguments = ["export", str(target), "--form", form, "--from", str(generated)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    found: dict[str, Any] = {}
    for path in target.iterdir():
        content = yaml.safe_load(path.read_text())
        if form == "configmaps":
            assert content["metadata"]["labels"]["grafana_dashboard"] == "1"
            ((_, text),) = content["data"].items()
            content = json.loads(text)
        found[content["uid"]] = content
    assert found == {
        "llmobs-overview": board("llmobs-overview", "Overview"),
        "llmobs-cost": board("llmobs-cost", "Cost"),
    }
