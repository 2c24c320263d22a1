"""Clients of the live streams: server-sent events as a browser reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from tests.support.service import WAIT_TIMEOUT_S, Service


@dataclass(frozen=True)
class Received:
    """One event, or a comment (`name` is empty then)."""

    id: str
    name: str
    data: Any


class EventStream:
    """GET /events/metrics, read an event at a time."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response
        self.retry_ms: int | None = None

    def __iter__(self) -> Iterator[Received]:
        """Yield events and comments until the stream ends."""
        fields: dict[str, str] = {}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(":")
            if line != b"\n":
                fields[name] = value.strip()
                continue
            if "retry" in fields:
                self.retry_ms = int(fields["retry"])
            elif "" in fields:
                yield Received("", "", fields[""])
            else:
                yield Received(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}

    def snapshots(self) -> Iterator[Received]:
        return (event for event in self if event.name == "snapshot")


@contextmanager
def events(service: Service, last_id: str = "") -> Iterator[EventStream]:
    """Watch the metrics of a service."""
    parts = urlsplit(service.endpoints.api)
    assert parts.hostname is not None
    with closing(HTTPConnection(parts.hostname, parts.port, timeout=WAIT_TIMEOUT_S)) as connection:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        connection.request("GET", "/events/metrics", headers=headers)
        yield EventStream(connection.getresponse())
