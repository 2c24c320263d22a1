"""`llm-observatory alerts test`: a sample to a stand-in, and what is said of the answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.notified import receivers
from tests.support.service import environment

_PROJECT = Path(__file__).parents[2]
_KEY = "0123456789abcdef0123456789abcdef"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", "alerts", "test", *arguments],
        cwd=_PROJECT,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("priority", "channel"), [("P0", "#llm-alerts"), ("P3", "#llm-alerts-quiet")]
)
def test_slack_gets_the_sample_in_the_channel_of_its_priority(priority: str, channel: str) -> None:
    with receivers() as inbox:
        done = run("--to", "slack", "--priority", priority, SLACK_API_URL=inbox.address("slack"))

    assert (done.returncode, done.stdout, done.stderr) == (0, "slack: 200 ok\n", "")
    (sent,) = inbox.to("slack")
    assert sent["channel"] == channel
    assert sent["attachments"][0]["title"].startswith(f"[{priority} FIRING 1] LLM")
    assert "nothing is wrong" in sent["attachments"][0]["text"]


def test_pagerduty_gets_an_incident_and_its_end(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(f"{_KEY}\n")
    with receivers() as inbox:
        url = inbox.address("pagerduty")
        done = run("--to", "pagerduty", "--secret-file", str(secret), "--pagerduty-url", url)

    assert done.returncode == 0, done.stderr
    assert "202" in done.stdout
    sent = inbox.to("pagerduty")
    assert [event["event_action"] for event in sent] == ["trigger", "resolve"]
    assert {(event["routing_key"], event["dedup_key"]) for event in sent} == {
        (_KEY, sent[0]["dedup_key"])
    }
    assert _KEY not in done.stdout + done.stderr


def test_a_webhook_gets_alertmanagers_form() -> None:
    with receivers() as inbox:
        done = run("--to", "webhook", ALERTS_WEBHOOK_URL=inbox.address("webhook"))

    assert done.returncode == 0, done.stderr
    (sent,) = inbox.to("webhook")
    assert (sent["version"], sent["status"]) == ("4", "firing")
    assert sent["alerts"][0]["labels"]["product"] == "llm-observatory"


def test_a_refusal_is_reported_as_it_was_said() -> None:
    with receivers() as inbox:
        inbox.answers["slack"] = (404, b"channel_not_found")
        done = run("--to", "slack", SLACK_API_URL=inbox.address("slack"))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "slack: refused: 404 channel_not_found\n"


def test_nobody_there_is_said_without_the_secret_address() -> None:
    with receivers() as inbox:
        url = inbox.address("slack/T0/B0/secret")
    done = run("--to", "slack", SLACK_API_URL=url)

    assert done.returncode == 1
    assert "not reached" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (("--to", "slack"), {}, "set SLACK_API_URL"),
        (("--to", "slack"), {"SLACK_API_URL": "hooks.slack"}, "http:// or https://"),
        (("--to", "pagerduty", "--secret-file", "/nowhere/key"), {}, "key cannot be read"),
    ],
    ids=["none", "no scheme", "no file"],
)
def test_a_missing_secret_is_one_line(
    arguments: tuple[str, ...], variables: dict[str, str], message: str
) -> None:
    done = run(*arguments, **variables)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
