"""The spans of one stretch of time, in columns: their parents, and the members by trace.

Rows are added and found a whole batch at once. Members are chained backwards from the newest by
response id, and both ways by place, in the order of their start within a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.genai.attribution.key_table import KeyTable
from exporter.genai.attribution.members import RECORD, Records
from exporter.spans.batch import Bools, Ints, Keys

_RUN = np.dtype([("start", "i4"), ("stop", "i4"), ("previous", "i4")])
_SPAN = np.dtype([("parent", "u8"), ("member", "i4")])
_PLACE = np.dtype([("last", "i4"), ("low", "u8"), ("high", "u8")])


class Recent:
    """Spans and members of some batches. Only grows."""

    def __init__(self, since: float = 0.0) -> None:
        self.since = since
        self.names: dict[int, str] = {}
        """Models, by their codes in the records."""
        self._spans = _Rows(_SPAN)
        self._span_of = KeyTable()
        self._members = _Rows(RECORD)
        self._runs = _Rows(_RUN)
        """Members of one trace that came in one batch."""
        self._run_of = KeyTable()
        self._member_of_answer = KeyTable()
        self._places = _Rows(_PLACE)
        self._place_of = KeyTable()

    def __len__(self) -> int:
        """Return the number of spans."""
        return self._spans.used

    @property
    def members(self) -> Records:
        """The records of the members, to read and to write."""
        return self._members.rows

    def spans(self, keys: Keys) -> tuple[Keys, Ints, Bools]:
        """Return each span's tagged parent and its member (-1: none), and whether it is here."""
        at = self._span_of.find(keys)
        here = at >= 0
        found = self._spans.rows[np.where(here, at, 0)]
        return found["parent"], np.where(here, found["member"], np.int32(-1)), here

    def members_of(self, traces: Keys) -> tuple[Ints, NDArray[np.intp]]:
        """Return the members of some traces, and of each the position of its trace."""
        rows: list[Ints] = []
        owners: list[NDArray[np.intp]] = []
        run, owner = self._run_of.find(traces), np.arange(len(traces))
        while True:
            there = run >= 0
            run, owner = run[there], owner[there]
            if not len(run):
                break
            of = self._runs.rows[run]
            counts = of["stop"] - of["start"]
            rows.append(_ranges(of["start"], counts))
            owners.append(np.repeat(owner, counts))
            run = of["previous"]
        if not rows:
            return np.empty(0, np.int32), np.empty(0, np.intp)
        found, owner = np.concatenate(rows), np.concatenate(owners)
        stayed = ~self.members["moved"][found]
        return found[stayed], owner[stayed]

    def last_with_answer(self, answers: Keys) -> Ints:
        """Return the newest member with each response id, -1: none."""
        return self._member_of_answer.find(answers)

    def last_in_place(self, places: Keys) -> Ints:
        """Return the newest member of each place, -1: none."""
        at = self._place_of.find(places)
        return np.where(at < 0, np.int32(-1), self._places.rows[np.maximum(at, 0)]["last"])

    def scopes_in(self, places: Keys) -> tuple[Keys, Keys]:
        """Return the lowest and the highest code of the instrumentations in each place."""
        at = self._place_of.find(places)
        found = self._places.rows[np.maximum(at, 0)]
        most = np.uint64(2**64 - 1)
        return np.where(at < 0, most, found["low"]), np.where(at < 0, np.uint64(0), found["high"])

    # Adding -----------------------------------------------------------------------------------

    def add(self, keys: Keys, parents: Keys, members: Records, of: NDArray[np.intp]) -> None:
        """Add the spans that are not here yet; `of` says which of them the members are."""
        fresh = self._span_of.find(keys) < 0
        row = (np.cumsum(fresh) - 1 + self._spans.used).astype(np.int32)
        added = self._spans.append(int(np.count_nonzero(fresh)))
        self._spans.rows["parent"][added] = parents[fresh]
        self._spans.rows["member"][added] = -1
        self._span_of.put(keys[fresh], row[fresh])
        # A span may be in the batch twice, too.
        kept = fresh[of] & (self._span_of.find(keys[of]) == row[of])
        if kept.any():
            self._add_members(members[kept], row[of][kept])

    def _add_members(self, members: Records, spans: Ints) -> None:
        order = np.argsort(members["trace"], kind="stable")
        members = members[order]
        rows = self._members.append(len(members))
        self.members[rows] = members
        numbers = np.arange(rows.start, rows.stop, dtype=np.int32)
        self._spans.rows["member"][spans[order]] = numbers
        self._add_runs(members["trace"], rows.start)
        self._chain_answers(members["answer"], numbers)
        self._chain_places(members, numbers)

    def _add_runs(self, traces: Keys, start: int) -> None:
        starts, stops = _groups(traces)
        runs = self._runs.append(len(starts))
        here = self._runs.rows[runs]
        here["start"], here["stop"] = starts + start, stops + start
        numbers = np.arange(runs.start, runs.stop, dtype=np.int32)
        here["previous"] = self._run_of.put(traces[starts], numbers)

    def _chain_answers(self, answers: Keys, numbers: Ints) -> None:
        some = np.flatnonzero(answers)
        if not len(some):
            return
        order = some[np.argsort(answers[some], kind="stable")]
        sorted_answers, sorted_numbers = answers[order], numbers[order]
        starts, stops = _groups(sorted_answers)
        before = np.roll(sorted_numbers, 1)
        before[starts] = self._member_of_answer.put(
            sorted_answers[starts], sorted_numbers[stops - 1]
        )
        self.members["alike"][sorted_numbers] = before

    def _chain_places(self, members: Records, numbers: Ints) -> None:
        some = np.flatnonzero(members["place"])
        if not len(some):
            return
        order = some[np.lexsort((members["start"][some], members["place"][some]))]
        places, scopes, chained = members["place"][order], members["scope"][order], numbers[order]
        starts, stops = _groups(places)
        at = self._places_at(places[starts])
        of = self._places.rows[at]
        before = np.roll(chained, 1)
        before[starts] = of["last"]
        self.members["before"][chained] = before
        linked = before >= 0
        self.members["after"][before[linked]] = chained[linked]
        of["last"] = chained[stops - 1]
        of["low"] = np.minimum(of["low"], np.minimum.reduceat(scopes, starts))
        of["high"] = np.maximum(of["high"], np.maximum.reduceat(scopes, starts))
        self._places.rows[at] = of

    def _places_at(self, places: Keys) -> Ints:
        at = self._place_of.find(places)
        new = at < 0
        added = self._places.append(int(np.count_nonzero(new)))
        self._places.rows[added] = np.array((-1, 2**64 - 1, 0), _PLACE)
        at[new] = np.arange(added.start, added.stop, dtype=np.int32)
        self._place_of.put(places[new], at[new])
        return at


class _Rows:
    """An array of records that grows at its end."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.rows = np.zeros(64, dtype)
        self.used = 0

    def append(self, count: int) -> slice:
        """Make room at the end and return where."""
        start, self.used = self.used, self.used + count
        if self.used > len(self.rows):
            grown = np.zeros(max(self.used, 2 * len(self.rows)), self.rows.dtype)
            grown[:start] = self.rows[:start]
            self.rows = grown
        return slice(start, self.used)


def _groups(ordered: Keys) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the runs of equal keys start and stop."""
    new = np.empty(len(ordered), np.bool_)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    return starts, np.append(starts[1:], len(ordered))


def _ranges(starts: Ints, counts: Ints) -> Ints:
    """Return the numbers from each start on, as many as counted."""
    ends = np.cumsum(counts)
    steps = np.arange(ends[-1], dtype=np.int32)
    return steps + np.repeat(starts - (ends - counts).astype(np.int32), counts)
