"""Hold requests between receive and process, no more than a fixed amount of them.

The interface is small on purpose: a queue that survives a crash has the same one. A request is
acknowledged by settling its ticket, so what a queue promises before that is its own business.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from exporter.errors import ObservatoryError, OverloadedError, StoppingError
from exporter.spans.rejection import Verdict

Outcome = Verdict | ObservatoryError


@dataclass(slots=True)
class Ticket:
    """One request on its way: its bytes, and whom to tell what became of it."""

    request: bytes
    settle: Callable[[Outcome], None] = field(repr=False)
    """Called once, from any thread."""


class Queue(Protocol):
    """What receivers and the pipeline know of a queue."""

    def put(self, ticket: Ticket) -> None:
        """Take a request in; raise OverloadedError or StoppingError when there is no room."""
        ...

    def take(self, max_bytes: int) -> list[Ticket]:
        """Wait for requests and return what is there, up to `max_bytes` but at least one.

        An empty list: closed and drained.
        """
        ...

    def close(self) -> None:
        """Take no more; what is there can still be taken."""
        ...


class MemoryQueue:
    """A queue in memory: bounded in bytes and in requests, lost with the process."""

    def __init__(self, *, max_bytes: int, max_requests: int, retry_after_s: float) -> None:
        self._max_bytes = max_bytes
        self._max_requests = max_requests
        self._retry_after_s = retry_after_s
        self._waiting: deque[Ticket] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def depth(self) -> tuple[int, int]:
        """Requests and bytes that wait."""
        with self._changed:
            return len(self._waiting), self._bytes

    def put(self, ticket: Ticket) -> None:
        """Take a request in. One request always fits into an empty queue."""
        with self._changed:
            if self._closed:
                raise StoppingError("the service is stopping", retry_after_s=self._retry_after_s)
            full = self._bytes + len(ticket.request) > self._max_bytes
            if self._waiting and (full or len(self._waiting) >= self._max_requests):
                raise OverloadedError(
                    f"{len(self._waiting)} requests are waiting", retry_after_s=self._retry_after_s
                )
            self._waiting.append(ticket)
            self._bytes += len(ticket.request)
            self._changed.notify()

    def take(self, max_bytes: int) -> list[Ticket]:
        """Wait for requests and return what is there, oldest first."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            taken: list[Ticket] = []
            size = 0
            while self._waiting and (
                not taken or size + len(self._waiting[0].request) <= max_bytes
            ):
                ticket = self._waiting.popleft()
                size += len(ticket.request)
                taken.append(ticket)
            self._bytes -= size
            return taken

    def abandon(self) -> None:
        """Send away what still waits: its senders come back later, to whoever is there then."""
        with self._changed:
            waiting, self._waiting, self._bytes = self._waiting, deque(), 0
        for ticket in waiting:
            ticket.settle(
                StoppingError("the service is stopping", retry_after_s=self._retry_after_s)
            )

    def close(self) -> None:
        """Take no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
