"""Hand traces on to who watches, without ever holding up the thread that counts them.

That thread leaves each batch in a short line and goes on; a thread of our own sums the traces up,
at most a fifth of its time. While nobody watches nothing is left in the line. A client has a
bounded line of its own, in which a newer state of a trace takes the place of the older one; what it
is too slow for is dropped, the oldest first, and it is told how much.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from exporter.live.filters import TraceFilter
from exporter.live.tracker import Trace, Tracker
from exporter.spans.batch import SpanBatch

log = logging.getLogger(__name__)

# Batches that wait to be summed up; each is at most one step of the pipeline.
_BATCHES_MAX = 8
# Pause after each piece of work, as a multiple of its time.
_PAUSE = 4.0
# Traces handed to a connection at once.
_TAKEN_MAX = 50


class Watcher:
    """One client: its filter and its line. Filled by one thread, emptied by another."""

    def __init__(self, waiting_max: int, wake: Callable[[], None]) -> None:
        self.filter = TraceFilter()
        self.closed = False
        self._waiting_max = waiting_max
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: dict[str, str] = {}
        self._dropped = 0
        self._missed_spans = 0

    def offer(self, traces: Sequence[tuple[str, str]], missed_spans: int = 0) -> None:
        """Put traces (id and JSON) in the line, the newest state of each."""
        with self._lock:
            self._missed_spans += missed_spans
            for trace_id, text in traces:
                if trace_id not in self._waiting and len(self._waiting) >= self._waiting_max:
                    del self._waiting[next(iter(self._waiting))]
                    self._dropped += 1
                self._waiting[trace_id] = text
        if traces or missed_spans:
            self._wake()

    def take(self) -> list[str]:
        """Return some of what waits as messages, after a notice of what was dropped."""
        with self._lock:
            messages: list[str] = []
            if self._dropped:
                messages.append(json.dumps({"type": "dropped", "traces": self._dropped}))
            if self._missed_spans:
                messages.append(json.dumps({"type": "missed", "spans": self._missed_spans}))
            self._dropped = self._missed_spans = 0
            taken = list(self._waiting)[:_TAKEN_MAX]
            return messages + [self._waiting.pop(trace_id) for trace_id in taken]

    def end(self) -> None:
        """Tell the client's connection that nothing more comes."""
        self.closed = True
        self._wake()


class TraceFeed:
    """From the pipeline's batches to the clients' lines."""

    def __init__(self, *, traces_max: int, waiting_max: int) -> None:
        self._tracker = Tracker(traces_max)
        self._waiting_max = waiting_max
        self._line: deque[SpanBatch] = deque()
        self._missed_spans = 0
        self._watchers: tuple[Watcher, ...] = ()
        self._changed = threading.Condition()
        self._closed = False
        self._stale = False
        self._thread = threading.Thread(target=self._run, name="live_traces", daemon=True)

    def start(self) -> None:
        """Start the thread that sums up."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and every client's stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            watchers = self._watchers
        for watcher in watchers:
            watcher.end()

    def offer(self, batch: SpanBatch) -> None:
        """Leave a counted batch for who watches; at once, and never an error."""
        if not self._watchers:
            return
        with self._changed:
            if len(self._line) >= _BATCHES_MAX:
                self._missed_spans += len(self._line.popleft())
            self._line.append(batch)
            self._changed.notify_all()

    def join(self, wake: Callable[[], None]) -> Watcher:
        """Return a new client; `wake` is called from another thread when it has something."""
        watcher = Watcher(self._waiting_max, wake)
        with self._changed:
            self._watchers = (*self._watchers, watcher)
            watcher.closed = self._closed
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forget a client."""
        with self._changed:
            self._watchers = tuple(each for each in self._watchers if each is not watcher)
            if not self._watchers:
                self._line.clear()
                self._missed_spans = 0
                self._stale = True

    def _run(self) -> None:
        while (work := self._next()) is not None:
            start = time.perf_counter()
            try:
                self._hand_on(*work)
            except Exception:
                log.exception("live traces left out", extra={"spans": len(work[0])})
            with self._changed:
                pause = _PAUSE * (time.perf_counter() - start)
                self._changed.wait_for(lambda: self._closed, pause)

    def _next(self) -> tuple[SpanBatch, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._closed)
            if self._closed:
                return None
            if self._stale:
                # What was summed up before everybody left has gaps now.
                self._tracker.clear()
                self._stale = False
            missed, self._missed_spans = self._missed_spans, 0
            return self._line.popleft(), missed

    def _hand_on(self, batch: SpanBatch, missed_spans: int) -> None:
        touched = self._tracker.add(batch)
        texts: dict[str, str] = {}

        def text(trace: Trace) -> tuple[str, str]:
            if trace.id not in texts:
                texts[trace.id] = json.dumps({"type": "trace", "trace": trace.summary()})
            return trace.id, texts[trace.id]

        for watcher in self._watchers:
            wanted = watcher.filter
            watcher.offer([text(t) for t in touched if wanted.matches(t)], missed_spans)
