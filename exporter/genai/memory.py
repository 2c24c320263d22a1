"""Remember the spans of the last while, so that a span's place in its trace is known.

Bounded in spans and in time: there is a young half and an old half, and the old one goes as a
whole. What is forgotten can no longer be found as an ancestor; its decision was made long before.

This is on the path of every span, so a batch is remembered and looked up in columns. In most traces
the calls have nothing to do with each other, which is found out for all of them at once; only for
the others are there objects (attribution.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.genai.attribution import Kind, Line, Member, Reason, Role, decide
from exporter.genai.members import (
    KEY,
    RECORD,
    UNDECIDED,
    Records,
    is_member,
    plain,
    records,
    tagged_parents,
)
from exporter.genai.recent import Recent
from exporter.genai.twins import NEIGHBOURS_MAX, is_one_call
from exporter.spans.arrow import words
from exporter.spans.batch import Bools, Keys, SpanBatch

# A longer line of ancestors is a loop or a mistake.
_DEPTH_MAX = 256
_APART = np.uint64(1)

_ROLES = list(Role)
_REASONS = list(Reason)
_OWN, _DUPLICATE = _ROLES.index(Role.OWN), _ROLES.index(Role.DUPLICATE)
_ALONE = _REASONS.index(Reason.ALONE)

# A call that was seen in so many traces is no call but an id that is not one.
_SAME_ANSWER_MAX = 8
# So many traces are looked at together, when calls of one may be calls of the next.
_LINKED_TRACES_MAX = 64

Ids = NDArray[np.int64]
"""Members: twice their row, and one more for the old half; -1: none."""


class TraceMemory:
    """Knows the members and the ancestry of recent traces. Not for several threads at once."""

    def __init__(self, *, max_spans: int, max_age_s: float) -> None:
        self._max_spans = max(1, max_spans // 2)
        self._max_age_s = max_age_s / 2
        self._now_s = 0.0
        self._young = Recent()
        self._old = Recent()

    def __len__(self) -> int:
        """Return the number of spans that are remembered."""
        return len(self._young) + len(self._old)

    def remember(self, batch: SpanBatch, now_s: float) -> None:
        """Take in the spans of a normalised batch."""
        self._now_s = now_s
        self._turn()
        rows = np.flatnonzero(is_member(batch))
        members = records(batch, rows, self._young.names.__setitem__)
        self._take_over(members)
        self._young.add(plain(batch.keys), tagged_parents(batch), members, rows)

    def attribute(self, batch: SpanBatch) -> SpanBatch:
        """Return a remembered batch with the role of each span, null where it is no member."""
        rows = np.flatnonzero(is_member(batch))
        keys = plain(batch.keys[rows])
        members = self._ids(keys)
        if (members < 0).any():
            # Forgotten before it was decided: the memory is too small for the hold.
            self.remember(batch, self._now_s)
            members = self._ids(keys)
        open_ones = self._get(members, "role") == UNDECIDED
        self._decide(np.unique(batch.trace_keys[rows[open_ones]]))
        roles = self._get(members, "role").astype(np.int32)
        # A sender that got no answer sends its spans again.
        again = self._get(members, "seen")
        again[np.setdiff1d(np.arange(len(members)), np.unique(members, return_index=True)[1])] = (
            True
        )
        roles[again] = _DUPLICATE
        self._set(members, "seen", True)  # the value of a column
        codes = np.full(len(batch), -1, dtype=np.int32)
        codes[rows] = roles
        return batch.with_columns({"UsageRole": words(codes, [role.value for role in _ROLES])})

    def forgive(self, batch: SpanBatch) -> None:
        """Forget that a batch was attributed: it failed and will be tried again."""
        members = self._ids(plain(batch.keys))
        self._set(members[members >= 0], "seen", False)  # the value of a column

    def reason(self, key: int) -> Reason | None:
        """Return why a span has its role, None when it is not remembered or not decided."""
        member = self._ids(np.array([key], np.uint64) & KEY)
        code = self._get(member, "reason")[0] if member[0] >= 0 else UNDECIDED
        return None if code == UNDECIDED else _REASONS[code]

    # What is remembered -----------------------------------------------------------------------

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
            for column in ("role", "reason", "seen", "twin"):
                members[column][came_before] = self._old.members[column][row]
            self._old.members["moved"][row] = True

    def _spans(self, keys: Keys) -> tuple[Keys, Ids]:
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

    def _ids(self, keys: Keys) -> Ids:
        return self._spans(keys)[1]

    def _get(self, members: Ids, column: str) -> NDArray[Any]:
        young = members & 1 == 0
        found = np.empty(len(members), RECORD[column])
        found[young] = self._young.members[column][members[young] >> 1]
        found[~young] = self._old.members[column][members[~young] >> 1]
        return found

    def _set(self, members: Ids, column: str, values: Any) -> None:
        young = members & 1 == 0
        of = np.broadcast_to(values, members.shape)
        self._young.members[column][members[young] >> 1] = of[young]
        self._old.members[column][members[~young] >> 1] = of[~young]

    # Deciding ---------------------------------------------------------------------------------

    def _decide(self, traces: Keys) -> None:
        """Decide what is open in some traces, and in those that tell one of their calls, too."""
        scene = self._scene(traces, np.arange(len(traces)))
        linked = self._may_be_linked(scene)
        involved = linked | scene.is_below | ~scene.members["is_call"] | scene.members["never"]
        entangled = _any_of(involved, scene.group, len(traces))
        alone = scene.ids[~entangled[scene.group] & (scene.members["role"] == UNDECIDED)]
        self._set(alone, "role", _OWN)
        self._set(alone, "reason", _ALONE)
        has_link = _any_of(linked, scene.group, len(traces))
        self._judge(scene, np.flatnonzero(entangled & ~has_link))
        if has_link.any():
            together = self._linked(traces[has_link].tolist())
            groups = np.repeat(np.arange(len(together)), [len(group) for group in together])
            keys = np.array([trace for group in together for trace in group], np.uint64)
            self._judge(self._scene(keys, groups), np.arange(len(together)))

    def _scene(self, traces: Keys, groups: NDArray[np.intp]) -> _Scene:
        """Return the members of some traces, and what is above them."""
        young, of_young = self._young.members_of(traces)
        old, of_old = self._old.members_of(traces)
        ids = np.concatenate((young.astype(np.int64) * 2, old.astype(np.int64) * 2 + 1))
        found = np.concatenate((self._young.members[young], self._old.members[old]))
        group = groups[np.concatenate((of_young, of_old))]
        below, above, apart = self._lines(found)
        return _Scene(ids, group, found, below, above, apart)

    def _lines(self, members: Records) -> tuple[NDArray[np.intp], Ids, Bools]:
        """Return for each pair of a member and one above it: its position, the other, `apart`.

        The nearest come first.
        """
        position = np.flatnonzero(members["parent"])
        step, own = members["parent"][position], members["key"][position]
        apart = np.zeros(len(position), np.bool_)
        found: list[tuple[NDArray[np.intp], Ids, Bools]] = []
        for _ in range(_DEPTH_MAX):
            on = np.flatnonzero((step != 0) & (step != own))
            if not len(on):
                break
            position, step, own, apart = position[on], step[on], own[on], apart[on]
            tagged, member = self._spans(step)
            hit = member >= 0
            if hit.any():
                found.append((position[hit], member[hit], apart[hit]))
            apart = apart | (tagged & _APART != 0)
            step = tagged & KEY
        if not found:
            return np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0, np.bool_)
        below, above, between = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return below, above, between

    def _judge(self, scene: _Scene, groups: NDArray[np.intp]) -> None:
        """Decide the members of each group of traces together."""
        if not len(groups):
            return
        chosen = np.flatnonzero(np.isin(scene.group, groups))
        members = {i: self._member(scene.ids[i], scene.members[i]) for i in chosen.tolist()}
        position = dict(zip(scene.ids[chosen].tolist(), chosen.tolist(), strict=True))
        lines: dict[int, list[tuple[Member, bool]]] = {}
        for below, above, apart in zip(*(column.tolist() for column in scene.lines), strict=True):
            if below in members and above in position:
                line = lines.setdefault(members[below].key, [])
                line.append((members[position[above]], apart))
        of_group: dict[int, list[Member]] = {}
        for at, group in zip(chosen.tolist(), scene.group[chosen].tolist(), strict=True):
            of_group.setdefault(group, []).append(members[at])
        for group in of_group.values():
            decide(group, lambda m: Line(tuple(lines.get(m.key, ()))))
        ids = scene.ids[chosen]
        self._set(ids, "role", [_ROLES.index(m.role or Role.OWN) for m in members.values()])
        self._set(
            ids, "reason", [_REASONS.index(m.reason or Reason.ALONE) for m in members.values()]
        )
        self._set(ids, "twin", np.array([m.twin for m in members.values()], np.uint64))

    def _member(self, member: int, record: np.void) -> Member:
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
            role=None if of["role"] == UNDECIDED else _ROLES[of["role"]],
            reason=None if of["reason"] == UNDECIDED else _REASONS[of["reason"]],
        )

    # Calls that other spans tell, too ---------------------------------------------------------

    def _may_be_linked(self, scene: _Scene) -> Bools:
        """Return the members whose answer or place and time another one may have, too."""
        answers, places = scene.members["answer"], scene.members["place"]
        young, old = (half.last_with_answer(answers) for half in (self._young, self._old))
        # The only one with its answer is the last with it, in one half.
        last = np.where(scene.ids & 1 == 0, young, old)
        only = (last == scene.ids >> 1) & (scene.members["alike"] < 0)
        linked = (answers != 0) & ~(only & ((young < 0) | (old < 0)))
        low, high = self._young.scopes_in(places)
        if len(self._old):
            old_low, old_high = self._old.scopes_in(places)
            low, high = np.minimum(low, old_low), np.maximum(high, old_high)
        return linked | ((places != 0) & (low < high))

    def _linked(self, traces: Sequence[int]) -> list[list[int]]:
        """Return the traces in groups that are to be looked at together.

        Instrumentations that lose the context start a trace of their own for the same call.
        """
        groups: list[list[int]] = []
        done: set[int] = set()
        for trace in traces:
            if trace in done:
                continue
            group = {trace: None}
            open_traces = [trace]
            while open_traces:
                for other in self._told_again(open_traces.pop()):
                    if other not in group and len(group) < _LINKED_TRACES_MAX:
                        group[other] = None
                        open_traces.append(other)
            done.update(group)
            groups.append(list(group))
        return groups

    def _told_again(self, trace: int) -> list[int]:
        """Return the other traces that may tell a call of this one."""
        scene = self._scene(np.array([trace], np.uint64), np.zeros(1, np.intp))
        found: dict[int, None] = {}
        for at in np.flatnonzero(self._may_be_linked(scene)).tolist():
            call = self._member(scene.ids[at], scene.members[at])
            for other in self._with_answer(call):
                if other["trace"] != trace and _same_answer(scene.members[at], other):
                    found[int(other["trace"])] = None
            for other, half in self._near(call, int(scene.ids[at])):
                if other["trace"] != trace and is_one_call(call, self._member(half, other)):
                    found[int(other["trace"])] = None
        return list(found)

    def _with_answer(self, call: Member) -> list[np.void]:
        """Return the newest members with the same response id."""
        answer = np.array([call.answer], np.uint64)
        return [
            record
            for half in (self._young, self._old)
            for record in _chain(half, half.last_with_answer(answer)[0], "alike", _SAME_ANSWER_MAX)
            if not record["moved"]
        ]

    def _near(self, call: Member, member: int) -> list[tuple[np.void, int]]:
        """Return the members that begin next to a call in the same place, and each one's half."""
        halves, side, row = (self._young, self._old), member & 1, member >> 1
        own, other = halves[side], halves[1 - side]
        last = other.last_in_place(np.array([call.place], np.uint64))[0]
        chains = (
            (own, side, own.members[row]["before"], "before"),
            (own, side, own.members[row]["after"], "after"),
            (other, 1 - side, last, "before"),
        )
        return [
            (record, half)
            for kept, half, first, link in chains
            for record in _chain(kept, first, link, NEIGHBOURS_MAX // 2)
            if not record["moved"]
        ]


@dataclass(frozen=True)
class _Scene:
    """The members of some traces."""

    ids: Ids
    group: NDArray[np.intp]
    """Which of the traces, or groups of traces, each belongs to."""
    members: Records
    below: NDArray[np.intp]
    """With `above` and `apart` the lines: a member's position, and one above it."""
    above: Ids
    apart: Bools

    @property
    def lines(self) -> tuple[NDArray[np.intp], Ids, Bools]:
        """The pairs, the nearest first."""
        return self.below, self.above, self.apart

    @cached_property
    def is_below(self) -> Bools:
        """Whether a member has another one above it."""
        found = np.zeros(len(self.ids), np.bool_)
        found[self.below] = True
        return found


def _chain(half: Recent, row: int, link: str, most: int) -> Iterator[np.void]:
    for _ in range(most):
        if row < 0:
            break
        yield half.members[row]
        row = half.members[row][link]


def _same_answer(one: np.void, other: np.void) -> bool:
    """Say whether two spans with one response id overlap in time and do not disagree.

    Some servers number their answers from 1, so the same id alone does not make the same call.
    """
    overlap = one["start"] <= other["end"] and other["start"] <= one["end"]
    return bool(overlap) and all(
        one[side] == other[side] or min(one[side], other[side]) < 0 for side in ("input", "output")
    )


def _any_of(which: Bools, group: NDArray[np.intp], count: int) -> Bools:
    """Return of which groups some item is marked."""
    return np.bincount(group[which], minlength=count).astype(np.bool_)


def _kind(of: dict[str, Any]) -> Kind:
    if of["is_call"]:
        return Kind.CALL
    return Kind.UNKNOWN if of["unclassed"] else Kind.STRUCTURE
