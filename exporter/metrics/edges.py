"""Remember spans until their edge in the service graph is known, and draw each edge once.

An edge is known when both of its spans are: a request's client and server span, an agent and the
tool below it. They come in any order and in any batch. A client span that nobody answers within
`wait_s` is drawn to what its attributes name, a tool whose ancestors never come to its service.

Bounded in spans and in time like the trace memory: a young half and an old half, and the old one
goes as a whole. A span costs an entry in a dict and a row in an array, both made a batch at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.metrics.places import (
    DIRECT,
    EDGE,
    MESSAGING,
    PLACE,
    VIRTUAL,
    Codes,
    Edges,
    Places,
    Rows,
)

# A longer line of ancestors is a loop or a mistake.
_DEPTH_MAX = 128


@dataclass(slots=True)
class _Half:
    """The spans of one stretch of time."""

    since: float
    first: int
    """Row of the first of them."""
    unanswered: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Server spans by the parent that was not seen yet."""
    uncalled: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Agents and tools by the ancestor that was not seen yet."""
    carried: set[int] = field(default_factory=set[int])
    """Spans that were not seen yet, whose request a span below them has already drawn."""


class EdgeMemory:
    """Draws edges from spans. Not for several threads at once."""

    def __init__(self, *, max_spans: int, wait_s: float, max_age_s: float, user: int) -> None:
        """Make an empty memory; `user` is the node that calls server spans without a parent."""
        self._half_max = max(1, max_spans // 2)
        self._wait_s = wait_s
        self._max_age_s = max_age_s / 2
        self._user = user
        # Row 0 stays unused, so that rows are positive.
        self._young = _Half(0.0, 1)
        self._old = _Half(0.0, 1)
        # A ring: the rows of both halves fit, and those of a half that went are written over.
        self._places: Places = np.zeros(2 * self._half_max, dtype=PLACE)
        self._next = 1
        self._rows: dict[int, int] = {}
        """Row of each span by its key."""
        self._due: deque[tuple[float, int]] = deque()
        """When the peers of all rows before this one are drawn."""
        self._drawn_to = 1

    def __len__(self) -> int:
        """Return the number of spans that are remembered."""
        return len(self._rows)

    def add(self, places: Places, now_s: float) -> Edges:
        """Take in n spans; return the edges that they complete. Spans seen before are ignored."""
        drawn = [self.expire(now_s)]
        for start in range(0, len(places), self._half_max):
            part = places[start : start + self._half_max]
            if self._next - self._young.first + len(part) > self._half_max:
                drawn.append(self._turn(now_s))
            drawn.append(self._take(part, now_s))
        return np.concatenate(drawn)

    def _take(self, places: Places, now_s: float) -> Edges:
        if not len(self):
            self._young.since = now_s
        places, new = self._remember(places)
        rows = np.arange(self._next, self._next + len(places))
        self._write(places)
        self._due.append((now_s + self._wait_s, self._next))
        self._drop_carried(new)
        roots = places["parent"] == 0
        answering = rows[places["is_server"] & ~roots]
        nodes = rows[places["node"] >= 0]
        from_outside = places[places["is_server"] & ~places["is_messaging"] & roots]
        return np.concatenate((
            self._edges(self._user, from_outside, "service", VIRTUAL),
            self._answer(answering, self._field("parent", answering)),
            self._answer(*self._woken(new, "unanswered")),
            self._call(nodes, self._field("parent", nodes)),
            self._call(*self._woken(new, "uncalled")),
        ))  # fmt: skip

    def expire(self, now_s: float) -> Edges:
        """Return the edges of spans that have waited long enough."""
        found: list[Edges] = [np.zeros(0, dtype=EDGE)]
        end = self._drawn_to
        while self._due and self._due[0][0] <= now_s:
            _, end = self._due.popleft()
        found.append(self._draw_peers(end))
        if len(self) and now_s - self._young.since > self._max_age_s:
            found.append(self._turn(now_s))
        return np.concatenate(found)

    def _remember(self, places: Places) -> tuple[Places, dict[int, int]]:
        """Give spans their rows; return those not seen before, each once, and the rows by key."""
        keys = places["key"]
        before, new = len(self._rows), self._numbered(keys)
        self._rows.update(new)
        if len(self._rows) == before + len(keys):
            return places, new
        # Spans are sent again when an answer was lost, which is rare. They keep their rows.
        known = self._keys(self._old.first, self._next)
        again = np.flatnonzero(np.isin(known, keys))
        rows = again + self._old.first
        self._rows.update(zip(known[again].tolist(), rows.tolist(), strict=True))
        first = np.sort(np.unique(keys, return_index=True)[1])
        fresh = first[~np.isin(keys[first], known[again])]
        new = self._numbered(keys[fresh])
        self._rows.update(new)
        return places[fresh], new

    def _numbered(self, keys: Rows) -> dict[int, int]:
        return dict(zip(keys.tolist(), range(self._next, self._next + len(keys)), strict=True))

    def _keys(self, start: int, end: int) -> Rows:
        """Return the keys of the rows from `start` to `end`."""
        return self._field("key", np.arange(start, end))

    def _write(self, places: Places) -> None:
        at = self._next % len(self._places)
        before_the_end = min(len(places), len(self._places) - at)
        self._places[at : at + before_the_end] = places[:before_the_end]
        self._places[: len(places) - before_the_end] = places[before_the_end:]
        self._next += len(places)

    def _at(self, rows: Rows) -> Places:
        """Return the places of rows, as a copy."""
        return self._places[rows % len(self._places)]

    def _field(self, name: str, rows: Rows) -> NDArray[Any]:
        """Return one field of rows, as a copy."""
        return self._places[name][rows % len(self._places)]

    def _set(self, name: str, rows: Rows, value: int) -> None:
        self._places[name][rows % len(self._places)] = value

    def _rows_of(self, keys: Rows) -> Rows:
        """Return the row of each key, -1 where it was not seen or is forgotten."""
        row = self._rows.get
        return np.array([row(key, -1) for key in keys.tolist()], dtype=np.int64)

    def _woken(self, new: dict[int, int], waiting: str) -> tuple[Rows, Rows]:
        """Return the rows that waited for one of these spans, and the span of each."""
        rows: list[int] = []
        above: list[int] = []
        for half in (self._young, self._old):
            table: dict[int, list[int]] = getattr(half, waiting)
            for key in table.keys() & new.keys() if table else ():
                found = table.pop(key)
                rows += found
                above += [key] * len(found)
        return np.array(rows, dtype=np.int64), np.array(above, dtype=np.int64)

    # Requests -----------------------------------------------------------------------------------

    def _answer(self, rows: Rows, above: Rows) -> Edges:
        """Draw server spans whose parent is a client; those whose parent is not there wait."""
        found = self._rows_of(above)
        self._wait("unanswered", above[found < 0], rows[found < 0])
        servers, clients = self._at(rows[found > 0]), self._at(found[found > 0])
        drawn = clients["is_client"]
        servers, clients = servers[drawn], clients[drawn]
        self._set("peer", found[found > 0][drawn], -1)
        self._carry(clients)
        edges = np.zeros(len(servers), dtype=EDGE)
        edges["client"], edges["server"] = clients["service"], servers["service"]
        queued = servers["is_messaging"] | (clients["is_messaging"] & ~clients["is_server"])
        edges["type"] = np.where(queued, MESSAGING, DIRECT)
        edges["failed"] = clients["failed"] | servers["failed"]
        edges["client_ns"], edges["server_ns"] = clients["duration_ns"], servers["duration_ns"]
        for name in ("end_ns", "trace_id", "span_id"):
            edges[name] = servers[name]
        return edges

    def _carry(self, clients: Places) -> None:
        """Take the peer from what stands above: an SDK's call, carried by this HTTP request."""
        above = clients["parent"][(clients["parent"] != 0) & ~clients["is_call"]]
        rows = self._rows_of(above)
        self._set("peer", rows[rows > 0], -1)
        self._young.carried.update(above[rows < 0].tolist())

    def _drop_carried(self, new: dict[int, int]) -> None:
        for half in (self._young, self._old):
            if half.carried and (hits := half.carried & new.keys()):
                self._set("peer", np.array([new[key] for key in hits]), -1)
                half.carried -= hits

    def _draw_peers(self, end: int) -> Edges:
        """Draw every span before row `end` that nobody answered to the peer that it names."""
        start, self._drawn_to = self._drawn_to, max(end, self._drawn_to)
        if start == self._drawn_to:
            return np.zeros(0, dtype=EDGE)
        rows = np.arange(start, self._drawn_to)
        rows = rows[self._field("peer", rows) >= 0]
        # From now on it is drawn: an answer that comes later draws nothing.
        self._set("is_client", rows, 0)
        places = self._at(rows)
        below = np.flatnonzero(~places["is_call"] & (places["parent"] != 0))
        above = self._rows_of(places["parent"][below])
        # A driver below an SDK's call or an ORM: the outer one is drawn.
        inner = below[above > 0][self._field("names_peer", above[above > 0])]
        if len(inner):
            places = np.delete(places, inner)
        return self._edges(places["service"], places, "peer", places["peer_type"])

    # Agents and tools ---------------------------------------------------------------------------

    def _call(self, rows: Rows, above: Rows) -> Edges:
        """Draw agents and tools from the nearest agent or tool above, else from their service."""
        drawn: list[Edges] = [np.zeros(0, dtype=EDGE)]
        for _ in range(_DEPTH_MAX):
            if not len(rows):
                break
            found = self._rows_of(above)
            missing = (found < 0) & (above != 0)
            self._wait("uncalled", above[missing], rows[missing])
            rows, above, found = rows[~missing], above[~missing], found[~missing]
            # Above a root is nothing: there the line ends.
            is_root = above == 0
            callers = np.where(is_root, -1, self._field("node", found))
            ends = is_root | (callers >= 0) | self._field("is_server", found)
            drawn.append(self._run(rows[ends], callers[ends]))
            rows, above = rows[~ends], self._field("parent", found[~ends])
        drawn.append(self._run(rows, np.full(len(rows), -1)))
        return np.concatenate(drawn)

    def _run(self, rows: Rows, callers: NDArray[Any]) -> Edges:
        """Draw runs of agents and tools; a caller of -1 is the service."""
        places = self._at(rows)
        callers = np.where(callers < 0, places["service"], callers)
        # What stands below itself is one run, reported by a framework and by what it wraps.
        itself = np.flatnonzero(callers == places["node"])
        if len(itself):
            callers, places = np.delete(callers, itself), np.delete(places, itself)
        return self._edges(callers, places, "node", places["node_type"])

    def _edges(
        self, client: int | Codes | Rows, places: Places, server: str, kind: int | Codes | Rows
    ) -> Edges:
        """Return edges that only one span tells of: both sides took as long as it."""
        edges = np.zeros(len(places), dtype=EDGE)
        edges["client"], edges["server"], edges["type"] = client, places[server], kind
        edges["client_ns"] = edges["server_ns"] = places["duration_ns"]
        for name in ("failed", "end_ns", "trace_id", "span_id"):
            edges[name] = places[name]
        return edges

    # Bounds -------------------------------------------------------------------------------------

    def _wait(self, waiting: str, above: Rows, rows: Rows) -> None:
        """Let rows wait for spans, in the half that they are of: with it they are forgotten."""
        for key, row in zip(above.tolist(), rows.tolist(), strict=True):
            half = self._young if row >= self._young.first else self._old
            getattr(half, waiting).setdefault(key, []).append(row)

    def _turn(self, now_s: float) -> Edges:
        """Forget the old half, after drawing what can still be drawn; the young one is old."""
        gone, kept = self._old, self._young
        forgotten = _flat(gone.uncalled.values())
        without_caller = self._run(forgotten, np.full(len(forgotten), -1))
        drawn = np.concatenate((self._draw_peers(kept.first), without_caller))
        # Exhausts the map; a loop would be a tenth of what a span costs here.
        deque(map(self._rows.pop, self._keys(gone.first, kept.first).tolist()), maxlen=0)
        self._old, self._young = kept, _Half(now_s, self._next)
        return drawn


def _flat(lists: Iterable[Sequence[int]]) -> Rows:
    return np.array([row for rows in lists for row in rows], dtype=np.int64)
