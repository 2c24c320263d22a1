"""Keep the spans of the last while, and find them by key, trace, response id and place.

Bounded in spans and in time: there is a young half and an old half, and the old one goes as a
whole. A span that comes again is kept with the younger ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.genai.attribution.members import (
    RECORD,
    UNDECIDED,
    Records,
    is_member,
    joined,
    plain,
    records,
    tagged_parents,
)
from exporter.genai.attribution.recent import Recent
from exporter.genai.attribution.roles import Kind, Member, Reason, Role
from exporter.genai.attribution.twins import NEIGHBOURS_MAX
from exporter.spans.batch import Bools, Keys, SpanBatch

ROLES = list(Role)
REASONS = list(Reason)

# Only the newest: a server may give every answer the same id.
_SAME_ANSWER_MAX = 8

Ids = NDArray[np.int64]
"""Members: twice their row, and one more for the old half; -1: none."""


class Halves:
    """The young and the old spans."""

    def __init__(self, *, max_spans: int, max_age_s: float) -> None:
        self._max_spans = max(1, max_spans // 2)
        self._max_age_s = max_age_s / 2
        self._now_s = 0.0
        self._young = Recent()
        self._old = Recent()

    def __len__(self) -> int:
        """Return the number of spans."""
        return len(self._young) + len(self._old)

    def take_in(self, batch: SpanBatch, now_s: float | None = None) -> None:
        """Remember the spans of a normalised batch. Without a time: now as well as last time."""
        self._now_s = self._now_s if now_s is None else now_s
        self._turn()
        rows = np.flatnonzero(is_member(batch))
        members = records(batch, rows, self._young.names.__setitem__)
        self._take_over(members)
        self._young.add(plain(batch.keys), tagged_parents(batch), members, rows)

    def _turn(self) -> None:
        """Make the young half the old one when it is full or aged."""
        young = self._young
        if not len(young):
            young.since = self._now_s
        elif self._now_s - young.since > self._max_age_s or len(young) >= self._max_spans:
            self._old, self._young = young, Recent(self._now_s)

    def _take_over(self, members: Records) -> None:
        """Let spans that come again have the roles that they had, and keep them longer."""
        row = self._old.spans(members["key"])[1]
        came_before = np.flatnonzero(row >= 0)
        if len(came_before) and len(self._old):
            row = row[came_before]
            young = self._young.spans(members["key"][came_before])[1] >= 0
            row, came_before = row[~young], came_before[~young]
            for column in ("role", "reason", "seen", "twin", "twins", "above", "estimated"):
                members[column][came_before] = self._old.members[column][row]
            self._old.members["moved"][row] = True

    def spans(self, keys: Keys) -> tuple[Keys, Ids]:
        """Return each span's tagged parent (0: not known) and its member."""
        parent, row, here = self._young.spans(keys)
        member = np.where(row < 0, np.int64(-1), row.astype(np.int64) * 2)
        parent = np.where(here, parent, np.uint64(0))
        if len(self._old) and not here.all():
            missing = np.flatnonzero(~here)
            old_parent, row, old_here = self._old.spans(keys[missing])
            parent[missing] = np.where(old_here, old_parent, np.uint64(0))
            member[missing] = np.where(row < 0, np.int64(-1), row.astype(np.int64) * 2 + 1)
        return parent, member

    def ids(self, keys: Keys) -> Ids:
        """Return the member of each key, -1 where it is none or not remembered."""
        return self.spans(keys)[1]

    def get(self, members: Ids, column: str) -> NDArray[Any]:
        """Return a column of `RECORD` for some members."""
        young = members & 1 == 0
        found = np.empty(len(members), RECORD[column])
        found[young] = self._young.members[column][members[young] >> 1]
        found[~young] = self._old.members[column][members[~young] >> 1]
        return found

    def set(self, members: Ids, column: str, values: Any) -> None:
        """Write a column for some members, each a value or all the same one."""
        young = members & 1 == 0
        of = np.broadcast_to(values, members.shape)
        self._young.members[column][members[young] >> 1] = of[young]
        self._old.members[column][members[~young] >> 1] = of[~young]

    def members_of(self, traces: Keys) -> tuple[Ids, Records, NDArray[np.intp]]:
        """Return the members of some traces, and of each the position of its trace."""
        young, of_young = self._young.members_of(traces)
        old, of_old = self._old.members_of(traces)
        ids = np.concatenate((young.astype(np.int64) * 2, old.astype(np.int64) * 2 + 1))
        found = joined((self._young.members[young], self._old.members[old]))
        return ids, found, np.concatenate((of_young, of_old))

    def member(self, member: int, record: np.void) -> Member:
        """Return a member as an object."""
        of: dict[str, Any] = dict(zip(RECORD.names or (), record.tolist(), strict=True))
        names = (self._old if member & 1 else self._young).names
        return Member(
            key=of["key"],
            parent=of["parent"],
            start_ns=of["start"],
            end_ns=of["end"],
            kind=_kind(of),
            is_server=of["server"],
            never=of["never"],
            input=of["input"],
            output=of["output"],
            detail=of["detail"],
            answer=of["answer"],
            place=of["place"],
            scope=of["scope"],
            process=of["process"],
            ending=of["ending"],
            model=names.get(of["model"], ""),
            twin=of["twin"],
            twins=of["twins"],
            estimated=of["estimated"],
            is_reported_above=of["above"],
            role=None if of["role"] == UNDECIDED else ROLES[of["role"]],
            reason=None if of["reason"] == UNDECIDED else REASONS[of["reason"]],
        )

    def may_be_told_again(self, ids: Ids, members: Records) -> Bools:
        """Return the members whose answer or place and time another one may have, too."""
        answers, places = members["answer"], members["place"]
        young, old = (half.last_with_answer(answers) for half in (self._young, self._old))
        # The only one with its answer is the last with it, in one half.
        last = np.where(ids & 1 == 0, young, old)
        only = (last == ids >> 1) & (members["alike"] < 0)
        linked = (answers != 0) & ~(only & ((young < 0) | (old < 0)))
        low, high = self._young.scopes_in(places)
        if len(self._old):
            old_low, old_high = self._old.scopes_in(places)
            low, high = np.minimum(low, old_low), np.maximum(high, old_high)
        return linked | ((places != 0) & (low < high))

    def chains(self, ids: Ids, members: Records) -> NDArray[np.int32]:
        """Return where the chains of some members begin, three for each; -1: nowhere.

        The newest with its answer in the young and in the old half, and the newest in its place in
        the half that it is not in itself.
        """
        answers, places = members["answer"], members["place"]
        young, old = (half.last_in_place(places) for half in (self._young, self._old))
        return np.stack(
            (
                self._young.last_with_answer(answers),
                self._old.last_with_answer(answers),
                np.where(ids & 1 == 0, old, young),
            ),
            axis=1,
        )

    def has_answer_elsewhere(self, members: Records) -> Bools:
        """Return whether the response id of each was seen in another trace, too."""
        found = np.zeros(len(members), np.bool_)
        for half in (self._young, self._old):
            row = half.last_with_answer(members["answer"])
            for _ in range(_SAME_ANSWER_MAX):
                there = np.flatnonzero(row >= 0)
                if not len(there):
                    break
                of = row[there]
                found[there] |= half.members["trace"][of] != members["trace"][there]
                row[there] = half.members["alike"][of]
        return found

    def with_answer(self, chains: Sequence[int]) -> Records:
        """Return the newest members with the answer whose chains begin there."""
        return joined(
            half.members[_chain(half, row, "alike", _SAME_ANSWER_MAX)]
            for half, row in zip((self._young, self._old), chains, strict=False)
        )

    def near(self, member: int, chains: Sequence[int]) -> tuple[Ids, Records]:
        """Return the members that begin next to a member in the same place."""
        halves, side, row = (self._young, self._old), member & 1, member >> 1
        own, most = halves[side].members, NEIGHBOURS_MAX // 2
        here = [
            *_chain(halves[side], int(own["before"][row]), "before", most),
            *_chain(halves[side], int(own["after"][row]), "after", most),
        ]
        there = _chain(halves[1 - side], chains[2], "before", most)
        ids = np.array(
            [*(r * 2 + side for r in here), *(r * 2 + 1 - side for r in there)], np.int64
        )
        return ids, joined((own[here], halves[1 - side].members[there]))


def _chain(half: Recent, row: int, link: str, most: int) -> list[int]:
    links = half.members[link]
    found: list[int] = []
    while row >= 0 and len(found) < most:
        found.append(row)
        row = int(links[row])
    return found


def _kind(of: dict[str, Any]) -> Kind:
    if of["is_call"]:
        return Kind.CALL
    return Kind.UNKNOWN if of["unclassed"] else Kind.STRUCTURE
