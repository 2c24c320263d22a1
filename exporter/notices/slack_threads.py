"""Slack threads: one message for an incident, and what becomes of it as answers below it.

Alertmanager's own Slack receiver cannot: an incoming webhook does not say which message it made. So
this takes Alertmanager's webhook and speaks Slack's Web API with a bot token (`chat:write`). The
first notification of a group is a message; later ones change it (state and colour) and are told as
answers in its thread; when the group is resolved, the thread is closed and the next incident gets
a message of its own.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from dashboards_py.messages import attachment
from exporter.errors import UndeliveredError
from exporter.notices.posting import Poster

log = logging.getLogger(__name__)

SLACK_URL = "https://slack.com/api"
# Open incidents that are remembered; beyond it the oldest get a new message at their next change.
THREADS_MAX = 10_000
_BODY_MAX_BYTES = 4 * 1024 * 1024
# What Slack says, with status 200, when it makes sense to ask again.
_TRANSIENT = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "service_unavailable", "fatal_error"}
)


class SlackError(Exception):
    """Slack did not take a message. `transient`: it may take it later."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class SlackApi:
    """Slack's Web API, as far as it is needed."""

    def __init__(self, token: str, url: str = SLACK_URL, poster: Poster | None = None) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        self._url = url.rstrip("/")
        self._poster = poster or Poster()

    def call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method; raise SlackError when the answer is not ok."""
        try:
            answer = self._poster.post(f"{self._url}/{method}", body, self._headers)
        except UndeliveredError as error:
            raise SlackError(f"{method}: {error}", transient=True) from error
        if not answer.taken:
            raise SlackError(f"{method}: HTTP {answer.status}", transient=answer.busy)
        try:
            found: Any = json.loads(answer.body)
        except ValueError as error:
            raise SlackError(f"{method}: an answer that is no JSON", transient=True) from error
        if not isinstance(found, dict) or not found.get("ok"):
            name = str(found.get("error", "unknown")) if isinstance(found, dict) else "unknown"
            raise SlackError(f"{method}: {name}", transient=name in _TRANSIENT)
        return found


class Threads:
    """Which message an incident has. Kept in a file, if there is one, across restarts."""

    def __init__(self, slack: SlackApi, file: Path | None = None) -> None:
        self._slack = slack
        self._file = file
        self._turn = threading.Lock()
        self._open: OrderedDict[str, tuple[str, str]] = OrderedDict(_read(file))

    def tell(self, notification: Mapping[str, Any], channel: str) -> None:
        """Tell a notification, in the form of Alertmanager's webhook; raise SlackError."""
        key = f"{channel} {notification['groupKey']}"
        shown = attachment(notification)
        firing = notification["status"] == "firing"
        with self._turn:
            if key in self._open and self._go_on(key, shown):
                if not firing:
                    del self._open[key]
                    self._keep()
            else:
                self._begin(key, shown, channel, firing=firing)

    def _go_on(self, key: str, shown: dict[str, Any]) -> bool:
        """Change the message and answer below it; return False when it is there no more."""
        channel, ts = self._open[key]
        try:
            # First what can be repeated: when the answer fails, all of it is tried again.
            self._slack.call("chat.update", {"channel": channel, "ts": ts, "attachments": [shown]})
            answer = {"channel": channel, "thread_ts": ts, "attachments": [shown]}
            self._slack.call("chat.postMessage", answer)
        except SlackError as error:
            if error.transient:
                raise
            log.info("a thread is gone, beginning another", extra={"error": str(error)})
            del self._open[key]
            return False
        return True

    def _begin(self, key: str, shown: dict[str, Any], channel: str, *, firing: bool) -> None:
        made = self._slack.call("chat.postMessage", {"channel": channel, "attachments": [shown]})
        if firing:
            self._open[key] = (str(made["channel"]), str(made["ts"]))
            while len(self._open) > THREADS_MAX:
                self._open.popitem(last=False)
            self._keep()

    def _keep(self) -> None:
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._open), encoding="utf-8")
        new.replace(self._file)


def threads_app(threads: Threads) -> FastAPI:
    """Return the HTTP application: POST / takes Alertmanager's webhook, GET /healthz answers."""
    app = FastAPI(title="LLM Observatory: Slack threads", openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/")
    async def notify(request: Request, channel: str) -> dict[str, str]:
        notification = await _notification(request)
        try:
            await run_in_threadpool(threads.tell, notification, channel)
        except SlackError as error:
            log.warning("Slack did not take a message", extra={"error": str(error)})
            # Alertmanager tries again after 5xx, and gives up after 4xx.
            raise HTTPException(503 if error.transient else 422, str(error)) from error
        return {"status": "told"}

    return app


async def _notification(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_MAX_BYTES:
            raise HTTPException(413, "the notification is too large")
    try:
        found: Any = json.loads(bytes(body))
        if _is_notification(found):
            return found
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise HTTPException(422, "not a notification of Alertmanager, version 4")


def _is_notification(found: Any) -> bool:
    """Return whether it has what is read later; raise KeyError or TypeError if not."""
    alerts = [
        (a["status"], a["labels"]["alertname"], a["annotations"].items) for a in found["alerts"]
    ]
    parts = (found["status"], found["groupKey"], found["commonLabels"].items)
    return found["version"] == "4" and bool(alerts) and all(parts)


def _read(file: Path | None) -> dict[str, tuple[str, str]]:
    if file is None or not file.is_file():
        return {}
    try:
        found: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))
        return {key: (channel, ts) for key, (channel, ts) in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        log.warning("the file of threads cannot be read; incidents get new messages")
        return {}
