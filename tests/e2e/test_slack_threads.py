"""One Slack message for an incident: the real Alertmanager, the relay, and a stand-in for Slack."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.alerting import alertmanager_config
from tests.support.notified import Inbox, Note, receivers
from tests.support.prometheus import Server, alertmanager_server
from tests.support.service import environment, http

_PROJECT = Path(__file__).parents[2]
_TOKEN = "xoxb-a-secret"


@contextmanager
def relay(inbox: Inbox, state: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "exporter", "alerts", "threads", "--port", "0"]
    options = ["--state", str(state), "--slack-url", inbox.address("slack-api")]
    with subprocess.Popen(
        [*command, *options],
        cwd=_PROJECT,
        env={**environment(), "SLACK_BOT_TOKEN": _TOKEN, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.fullmatch(r"listening on (\S+)\n", process.stdout.readline())
            assert found is not None
            yield found[1]
        finally:
            process.terminate()
            process.wait(20)


def _post(alertmanager: Server, name: str, *, firing: bool = True, **labels: str) -> None:
    now = datetime.now(UTC)
    ends = now + timedelta(hours=1) if firing else now
    found = {"alertname": name, "priority": "P1", "service_name": "checkout", "provider": "openai"}
    alertmanager.post(
        "/api/v2/alerts",
        [
            {
                "labels": {**found, **labels},
                "annotations": {"summary": "Bad", "description": "It is 20%."},
                "startsAt": (now - timedelta(minutes=1)).isoformat(),
                "endsAt": ends.isoformat(),
            }
        ],
    )


def _calls(inbox: Inbox) -> list[tuple[str, dict[str, Any]]]:
    return [(n.path.rpartition("/")[2], n.body) for n in inbox.notes if n.to == "slack-api"]


def _said(notes: list[Note], method: str, *words: str, thread: bool) -> bool:
    return any(
        n.path.endswith(method)
        and ("thread_ts" in n.body) == thread
        and all(word in n.text for word in words)
        for n in notes
        if n.to == "slack-api"
    )


def test_an_incident_is_one_message_with_its_story_below(tmp_path: Path) -> None:
    state = tmp_path / "threads.json"
    with receivers() as inbox:
        with relay(inbox, state) as url:
            config = alertmanager_config(tmp_path, inbox, slack_threads_url=url)
            with alertmanager_server(config, tmp_path) as alertmanager:
                _post(alertmanager, "First")
                inbox.wait_for(lambda n: _said(n, "chat.postMessage", "First", thread=False))
                _post(alertmanager, "Second")
                inbox.wait_for(lambda n: _said(n, "chat.postMessage", "Second", thread=True))
                _post(alertmanager, "First", firing=False)
                _post(alertmanager, "Second", firing=False)
                inbox.wait_for(lambda n: _said(n, "chat.postMessage", "[P1 RESOLVED]", thread=True))
                calls = _calls(inbox)
        roots = [body for method, body in calls if method == "chat.postMessage"
                 and "thread_ts" not in body]  # fmt: skip
        (root,) = roots
        assert root["channel"] == "#llm-alerts"
        assert root["attachments"][0]["color"] == "danger"
        answers = [body for _, body in calls if "thread_ts" in body]
        assert {(a["channel"], a["thread_ts"]) for a in answers} == {("C1", "1.5")}
        updates = [body for method, body in calls if method == "chat.update"]
        assert {(u["channel"], u["ts"]) for u in updates} == {("C1", "1.5")}
        assert updates[-1]["attachments"][0]["color"] == "good"
        assert state.read_text() == "{}"


def _notification(status: str = "firing", group: str = "g") -> bytes:
    alert = (
        f'{{"status": "{status}", "labels": {{"alertname": "A", "priority": "P2"}},'
        ' "annotations": {}}'
    )
    return (
        f'{{"version": "4", "status": "{status}", "groupKey": "{group}", "commonLabels": '
        f'{{"alertname": "A", "priority": "P2"}}, "alerts": [{alert}]}}'
    ).encode()


def test_a_restart_a_refusal_and_a_deleted_message_lose_nothing(tmp_path: Path) -> None:
    state = tmp_path / "threads.json"
    with receivers() as inbox:
        good = inbox.answers["slack-api"]
        with relay(inbox, state) as url:
            to = f"{url}/?channel=%23x"
            assert http(to, _notification()).status == 200
            inbox.answers["slack-api"] = (200, b'{"ok": false, "error": "ratelimited"}')
            assert http(to, _notification()).status == 503, "Alertmanager tries again"
            inbox.answers["slack-api"] = (200, b'{"ok": false, "error": "channel_not_found"}')
            refused = http(to, _notification(group="other"))
            assert refused.status == 422
            assert b"channel_not_found" in refused.body
            assert _TOKEN.encode() not in refused.body
            inbox.answers["slack-api"] = good
        inbox.notes.clear()
        with relay(inbox, state) as url:
            to = f"{url}/?channel=%23x"
            assert http(to, _notification()).status == 200
            assert [method for method, _ in _calls(inbox)] == ["chat.update", "chat.postMessage"]
            inbox.notes.clear()
            inbox.answers["slack-api"] = (200, b'{"ok": false, "error": "message_not_found"}')
            assert http(to, _notification()).status == 422
            inbox.answers["slack-api"] = good
            assert http(to, _notification()).status == 200
            assert "thread_ts" not in _calls(inbox)[-1][1], "a new message stands for the old"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"version": "4", "alerts": []}', _notification().replace(b'"4"', b'"3"')],
)
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    from fastapi.testclient import TestClient  # noqa: PLC0415

    from exporter.notices.slack_threads import SlackApi, Threads, threads_app  # noqa: PLC0415

    client = TestClient(threads_app(Threads(SlackApi("t", "http://127.0.0.1:1"))))
    assert client.post("/?channel=x", content=body).status_code == 422
