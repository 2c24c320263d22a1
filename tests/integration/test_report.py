"""A report of what is stored: over HTTP, from the command line, and posted to Slack."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.query.report.digest import Period
from exporter.query.times import rfc3339
from tests.support.notified import Inbox, receivers
from tests.support.otlp import ERROR, NS, request
from tests.support.service import Service, environment, http, recent_call, running_service

ROOT = Path(__file__).parents[2]
# Of gpt-4o, 100 tokens in and 20 out: 2.50 and 10 dollars by million.
COST_USD = 0.00045
LAST_DAY = Period.DAY.last(time.time_ns())
# Named, so that it is the same day when the clock passes midnight.
DAY = rfc3339(LAST_DAY.start_ns)[:10]


def report(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", "report", *arguments],
        env=environment(**settings),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        at_ns = LAST_DAY.start_ns + 9 * 3600 * NS
        calls = [
            recent_call({"feature": "search"}, number=1, trace=1, start_ns=at_ns),
            recent_call(number=2, trace=2, start_ns=at_ns + 3600 * NS),
            recent_call(
                {"error.type": "429", "gen_ai.usage.input_tokens": 0},
                number=3,
                trace=3,
                start_ns=at_ns,
                status=ERROR,
            ),
            # Of another day.
            recent_call(number=4, trace=4, start_ns=LAST_DAY.start_ns - NS),
        ]
        running.export(request(*calls, resource={"service.name": "shop"}))
        running.wait_until_stored(len(calls))
        yield running


@pytest.fixture
def slack() -> Iterator[Inbox]:
    with receivers() as inbox:
        yield inbox


def test_it_is_about_a_whole_day(service: Service) -> None:
    found = http(f"{service.endpoints.api}/api/report?on={DAY}").json
    assert (found["start"], found["end"]) == (
        rfc3339(LAST_DAY.start_ns),
        rfc3339(LAST_DAY.end_ns),
    )
    assert found["summary"]["requests"] == 3
    assert found["summary"]["errors"] == 1
    assert [m["model"] for m in found["models"]] == ["gpt-4o"]
    assert {step["time"][11:13]: step["requests"] for step in found["course"]} == {
        "09": 2,
        "10": 1,
    }
    assert [trace["cost_usd"] for trace in found["traces"][:2]] == [COST_USD, COST_USD]
    assert [(e["outcome"], e["count"]) for e in found["errors"]] == [("rate_limited", 1)]
    assert found["budgets"] == []
    assert found["anomalies"] == []


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("json", "application/json"),
        ("markdown", "text/markdown"),
        ("html", "text/html"),
        ("slack", "application/json"),
    ],
)
def test_it_comes_in_every_form(service: Service, form: str, media_type: str) -> None:
    answer = http(f"{service.endpoints.api}/api/report?period=day&on={DAY}&format={form}")
    assert answer.status == 200
    assert answer.media == media_type
    assert b"gpt-4o" in answer.body
    assert b"shop" in answer.body


def test_an_unknown_period_is_refused_with_a_reason(service: Service) -> None:
    answer = http(f"{service.endpoints.api}/api/report?period=year")
    assert answer.status == 400
    assert "period" in answer.json["detail"]


def test_the_command_line_asks_the_service(service: Service, tmp_path: Path) -> None:
    page = tmp_path / "day.html"
    done = report("--api-url", service.endpoints.api, "--output", str(page))
    assert done.returncode == 0, done.stderr
    assert "<h1>LLM usage on" in page.read_text()
    printed = report("--api-url", service.endpoints.api, "--period", "week")
    assert printed.stdout.startswith("# LLM usage, week of")


def test_it_is_posted_to_slack(service: Service, slack: Inbox) -> None:
    done = report(
        "--send",
        "--on",
        DAY,
        "--api-url",
        service.endpoints.api,
        report_slack_url=slack.address("slack"),
    )
    assert done.returncode == 0, done.stderr
    (message,) = slack.to("slack")
    assert message["blocks"][0]["type"] == "header"
    assert "gpt-4o" in json.dumps(message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({}, "set report_slack_url", id="no webhook"),
        pytest.param({"report_slack_url": "slack"}, "write http(s)://", id="no address"),
        pytest.param({"report_slack_url_file": "missing"}, "report_slack_url_file", id="no file"),
    ],
)
def test_without_a_webhook_it_says_what_to_set(settings: dict[str, str], message: str) -> None:
    done = report("--send", **settings)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_refusal_is_told_without_the_secret(service: Service, slack: Inbox) -> None:
    slack.answers["slack"] = (404, b"no_service")
    url = slack.address("slack/T0/secret")
    done = report("--send", "--api-url", service.endpoints.api, report_slack_url=url)
    assert done.returncode == 2
    assert "refused with 404: no_service" in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_a_busy_slack_is_one_line_without_the_secret(service: Service, slack: Inbox) -> None:
    slack.first["slack"] = [(429, {"Retry-After": "3600"})]
    url = slack.address("slack/T0/secret")
    done = report("--send", "--api-url", service.endpoints.api, report_slack_url=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "report_slack_url: too busy, it said 429 busy\n"


def test_a_schedule_without_a_webhook_stops_the_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "serve"],
        env=environment(report_period="day", clickhouse_url=f"chdb:{tmp_path / 'store'}"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "set report_slack_url" in done.stderr
