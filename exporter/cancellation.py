"""Tell work that runs in another thread that nobody waits for it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from exporter.errors import CancelledError


class Cancellation:
    """A wish to stop, made once. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._wished = False

    @property
    def wished(self) -> bool:
        """Whether to stop."""
        return self._wished

    def cancel(self) -> None:
        """Wish it; what runs is told in this thread."""
        with self._lock:
            self._wished = True
            stops = tuple(self._stops)
        for stop in stops:
            stop()

    def check(self) -> None:
        """Raise CancelledError when the wish was made."""
        if self._wished:
            raise CancelledError("nobody waits for the answer any more")

    @contextmanager
    def during(self, stop: Callable[[], None]) -> Generator[None]:
        """Call `stop` when the wish comes while the block runs; raise CancelledError if it had."""
        with self._lock:
            self.check()
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
