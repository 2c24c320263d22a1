"""Hold batches for a short while, so that the rest of their traces can arrive.

A first-in-first-out line between the thread that accepts spans and the one that counts them. It
is bounded in spans: beyond that the oldest batch is let go early, which costs certainty about who
owns the usage in a late trace, never a span.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exporter.spans.batch import SpanBatch


@dataclass(frozen=True, slots=True)
class Held:
    """A batch, the requests it was read from, and when it may go."""

    batch: SpanBatch
    requests: Sequence[bytes]
    due: float


class Hold:
    """The line. One thread puts, one takes."""

    def __init__(
        self, *, seconds: float, max_spans: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._max_spans = max_spans
        self._clock = clock
        self._line: deque[Held] = deque()
        self._spans = 0
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def spans(self) -> int:
        """Number of spans that are held, or on their way in or out."""
        with self._changed:
            return self._spans

    def put(self, batch: SpanBatch, requests: Sequence[bytes]) -> None:
        """Take a batch in. Block while twice as much as allowed is there: nothing is taken out."""
        with self._changed:
            self._spans += len(batch)
            self._changed.wait_for(lambda: self._spans - len(batch) < 2 * self._max_spans)
            self._line.append(Held(batch, requests, self._clock() + self._seconds))
            self._changed.notify_all()

    def take(self) -> Held | None:
        """Wait for the oldest batch to be due and return it; None: closed and empty.

        To take the next one says that the last one is done with.
        """
        with self._changed:
            self._spans -= self._taken
            self._taken = 0
            self._changed.notify_all()
            while not self._ready():
                if self._closed and not self._line:
                    return None
                left = self._line[0].due - self._clock() if self._line else None
                self._changed.wait(left)
            held = self._line.popleft()
            self._taken = len(held.batch)
            return held

    def close(self) -> None:
        """Let everything go at once, and then end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _ready(self) -> bool:
        if not self._line:
            return False
        overfull = self._spans > self._max_spans
        return self._closed or overfull or self._line[0].due <= self._clock()
