"""Stand-ins for Slack, PagerDuty and a webhook: they keep what they are sent.

with receivers() as inbox:
    ...  # have something post to inbox.slack_url, inbox.pagerduty_url, inbox.webhook_url
    inbox.wait_for(lambda notes: any(n.to == "slack" for n in notes))
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.prometheus import wait_until

TIMEOUT_S = 60.0
_SHOWN_CHARS = 400


@dataclass(frozen=True, slots=True)
class Note:
    """One notification: to whom (the first part of the path), and its JSON."""

    to: str
    body: Any
    path: str = ""

    @property
    def text(self) -> str:
        return json.dumps(self.body, ensure_ascii=False)


@dataclass(slots=True)
class Inbox:
    """What arrived so far, and where it is sent to."""

    url: str = ""
    notes: list[Note] = field(default_factory=list[Note])
    on_note: Callable[[Note], None] = lambda _: None
    answers: dict[str, tuple[int, bytes]] = field(
        default_factory=lambda: {
            "slack": (200, b"ok"),
            "pagerduty": (202, b'{"status":"success","dedup_key":"k"}'),
            "webhook": (200, b"{}"),
            "switch": (200, b"OK"),
            "slack-api": (200, b'{"ok": true, "channel": "C1", "ts": "1.5"}'),
        }
    )

    first: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    """What is answered first, status and headers by receiver; then comes its usual answer."""

    def address(self, name: str) -> str:
        return f"{self.url}/{name}"

    def to(self, name: str) -> list[Any]:
        return [note.body for note in tuple(self.notes) if note.to == name]

    def wait_for(self, condition: Callable[[list[Note]], bool]) -> None:
        wait_until(
            lambda: condition(list(self.notes)),
            TIMEOUT_S,
            lambda: (
                "arrived:\n" + "\n".join(f"{n.to}: {n.text[:_SHOWN_CHARS]}" for n in self.notes)
            ),
        )


@contextmanager
def receivers() -> Iterator[Inbox]:
    """Listen on a free port of the loopback address until the block ends."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = self.path.strip("/").split("/")[0]
            note = Note(name, json.loads(body), self.path)
            inbox.notes.append(note)
            inbox.on_note(note)
            status, answer = inbox.answers[name]
            headers: dict[str, str] = {}
            if inbox.first.get(name):
                status, headers = inbox.first[name].pop(0)
                answer = b"busy"
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield inbox
        finally:
            server.shutdown()
            thread.join()
