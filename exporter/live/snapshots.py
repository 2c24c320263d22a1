"""One snapshot of the metrics each second, made once for all who watch, and only while they do.

A client holds nothing but its place in the ring of recent snapshots: one that is slow, or comes
back with the id of the last event that it saw, reads on from there. What has left the ring by then
is reported to it as a number. The first snapshot after nobody watched tells of all that time, so
the amounts of all snapshots add up.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from exporter.live.meter import Reading, snapshot


@dataclass(frozen=True, slots=True)
class Event:
    """One event for a client."""

    name: str
    id: str
    data: str
    """JSON."""


class Snapshots:
    """The ring, and the clock that fills it. For the event loop only."""

    def __init__(
        self, read: Callable[[], Reading], *, interval_s: float, window_s: float, history: int
    ) -> None:
        self._read = read
        self._interval_s = interval_s
        self._ring: deque[tuple[int, str]] = deque(maxlen=history)
        self._readings: deque[Reading] = deque(maxlen=2 + int(window_s / interval_s))
        self._window_s = window_s
        self._made = 0
        self._run = ""
        """Ids of another process' run are not ours."""
        self._clients = 0
        self._clock: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._closed = False

    async def follow(self, last_id: str, heartbeat_s: float) -> AsyncIterator[Event | None]:
        """Yield events after `last_id`, from now on if it is not ours; None: still nothing."""
        self._join()
        try:
            seen = self._place(last_id)
            while not self._closed:
                news = self._news
                if found := self._next(seen):
                    seen, event = found
                    yield event
                elif not await _within(news, heartbeat_s):
                    yield None
        finally:
            self._clients -= 1

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        if self._clock is not None:
            self._clock.cancel()
        self._wake()

    def publish(self, now: Reading) -> None:
        """Make the snapshot of a reading and wake who waits; the very first is only kept."""
        if not self._run:
            self._run = f"{int(now.unix_s * 1000):x}"
        if self._readings:
            before = self._readings[-1]
            recent = [r for r in self._readings if now.at_s - r.at_s <= self._window_s]
            data = snapshot(recent[0] if recent else before, before, now)
            self._made += 1
            self._ring.append((self._made, json.dumps(data, separators=(",", ":"))))
        self._readings.append(now)
        self._wake()

    def _join(self) -> None:
        self._clients += 1
        if self._clock is None or self._clock.done():
            self._clock = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Read and publish at equal distances until nobody watches."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._clients and not self._closed:
            self.publish(await asyncio.to_thread(self._read))
            due = max(due + self._interval_s, loop.time())
            await asyncio.sleep(due - loop.time())

    def _place(self, last_id: str) -> int:
        run, _, number = last_id.partition("-")
        if run and run == self._run and number.isascii() and number.isdigit():
            return min(int(number), self._made)
        return self._made

    def _next(self, seen: int) -> tuple[int, Event] | None:
        """Return the event behind a place and the place behind it, None: there is none yet."""
        if seen >= self._made:
            return None
        oldest = self._ring[0][0]
        if seen + 1 < oldest:
            missed = json.dumps({"snapshots": oldest - 1 - seen})
            return oldest - 1, Event("missed", f"{self._run}-{oldest - 1}", missed)
        number, data = self._ring[seen + 1 - oldest]
        return number, Event("snapshot", f"{self._run}-{number}", data)

    def _wake(self) -> None:
        waiting, self._news = self._news, asyncio.Event()
        waiting.set()


async def _within(news: asyncio.Event, seconds: float) -> bool:
    """Wait for news; return whether they came in time."""
    try:
        await asyncio.wait_for(news.wait(), seconds)
    except TimeoutError:
        return False
    return True
