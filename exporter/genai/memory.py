"""Decide who owns the usage, of a batch at once, knowing the spans of the last while.

This is on the path of every span, so a batch is remembered and looked up in columns. In most traces
the calls have nothing to do with each other, which is found out for all of them at once; only for
the others are there objects (attribution.py). What is forgotten can no longer be found as an
ancestor; its decision was made long before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exporter.genai.attribution import Line, Member, Reason, Role, decide
from exporter.genai.halves import REASONS, ROLES, Halves, Ids
from exporter.genai.members import KEY, UNDECIDED, Records, is_member, plain
from exporter.genai.twins import is_one_call
from exporter.spans.arrow import words
from exporter.spans.batch import Bools, Keys, SpanBatch

# A longer line of ancestors is a loop or a mistake.
_DEPTH_MAX = 256
_APART = np.uint64(1)

# So many traces are looked at together, when calls of one may be calls of the next.
_LINKED_TRACES_MAX = 64

_WORDS = [role.value for role in ROLES]
_OWN, _DUPLICATE = ROLES.index(Role.OWN), ROLES.index(Role.DUPLICATE)
_ALONE = REASONS.index(Reason.ALONE)


class TraceMemory:
    """Knows the members and the ancestry of recent traces. Not for several threads at once."""

    def __init__(self, *, max_spans: int, max_age_s: float) -> None:
        self._halves = Halves(max_spans=max_spans, max_age_s=max_age_s)

    def __len__(self) -> int:
        """Return the number of spans that are remembered."""
        return len(self._halves)

    def remember(self, batch: SpanBatch, now_s: float) -> None:
        """Take in the spans of a normalised batch."""
        self._halves.take_in(batch, now_s)

    def attribute(self, batch: SpanBatch) -> SpanBatch:
        """Return a remembered batch with the role of each span, null where it is no member."""
        rows = np.flatnonzero(is_member(batch))
        keys = plain(batch.keys[rows])
        members = self._halves.ids(keys)
        if (members < 0).any():
            # Forgotten before it was decided: the memory is too small for the hold.
            self._halves.take_in(batch)
            members = self._halves.ids(keys)
        undecided = self._halves.get(members, "role") == UNDECIDED
        if undecided.any():
            self._decide(np.unique(batch.trace_keys[rows[undecided]]))
        roles = self._halves.get(members, "role").astype(np.int32)
        # A sender that got no answer sends its spans again.
        again = self._halves.get(members, "seen") | _repeats(members)
        roles[again] = _DUPLICATE
        self._halves.set(members, "seen", values=True)
        codes = np.full(len(batch), -1, dtype=np.int32)
        codes[rows] = roles
        return batch.with_columns({"UsageRole": words(codes, _WORDS)})

    def forgive(self, batch: SpanBatch) -> None:
        """Forget that a batch was attributed: it failed and will be tried again."""
        members = self._halves.ids(plain(batch.keys))
        self._halves.set(members[members >= 0], "seen", values=False)

    def reason(self, key: int) -> Reason | None:
        """Return why a span has its role, None when it is not remembered or not decided."""
        member = self._halves.ids(np.array([key], np.uint64) & KEY)
        code = self._halves.get(member, "reason")[0] if member[0] >= 0 else UNDECIDED
        return None if code == UNDECIDED else REASONS[code]

    # Deciding ---------------------------------------------------------------------------------

    def _decide(self, traces: Keys) -> None:
        """Decide what is open in some traces, and in those that tell one of their calls, too."""
        scene = self._scene(traces, np.arange(len(traces)))
        linked = self._halves.may_be_told_again(scene.ids, scene.members)
        involved = linked | scene.is_below | ~scene.members["is_call"] | scene.members["never"]
        entangled = _any_of(involved, scene.group, len(traces))
        alone = scene.ids[~entangled[scene.group] & (scene.members["role"] == UNDECIDED)]
        self._halves.set(alone, "role", _OWN)
        self._halves.set(alone, "reason", _ALONE)
        has_link = _any_of(linked, scene.group, len(traces))
        self._judge(scene, np.flatnonzero(entangled & ~has_link))
        self._decide_together(self._linked(traces[has_link].tolist()))

    def _decide_together(self, linked: Iterable[list[int]]) -> None:
        """Decide groups of traces, those that share none at once."""
        groups: list[list[int]] = []
        taken: set[int] = set()
        for group in linked:
            if not taken.isdisjoint(group):
                self._decide_groups(groups)
                groups, taken = [], set()
            groups.append(group)
            taken.update(group)
        self._decide_groups(groups)

    def _decide_groups(self, groups: list[list[int]]) -> None:
        if not groups:
            return
        number = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        traces = np.array([trace for group in groups for trace in group], np.uint64)
        self._judge(self._scene(traces, number), np.arange(len(groups)))

    def _scene(self, traces: Keys, groups: NDArray[np.intp]) -> _Scene:
        """Return the members of some traces, and what is above them."""
        ids, found, trace = self._halves.members_of(traces)
        below, above, apart = self._lines(found)
        return _Scene(ids, groups[trace], found, below, above, apart)

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
            tagged, member = self._halves.spans(step)
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
        members = {i: self._halves.member(scene.ids[i], scene.members[i]) for i in chosen.tolist()}
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
        self._halves.set(ids, "role", [ROLES.index(m.role or Role.OWN) for m in members.values()])
        self._halves.set(
            ids, "reason", [REASONS.index(m.reason or Reason.ALONE) for m in members.values()]
        )
        self._halves.set(ids, "twin", np.array([m.twin for m in members.values()], np.uint64))
        self._halves.set(ids, "twins", [m.twins for m in members.values()])

    # Calls that other spans tell, too ---------------------------------------------------------

    def _linked(self, traces: Sequence[int]) -> Iterator[list[int]]:
        """Yield the traces in groups that are to be looked at together.

        Instrumentations that lose the context start a trace of their own for the same call.
        """
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
            yield list(group)

    def _told_again(self, trace: int) -> list[int]:
        """Return the other traces that may tell a call of this one."""
        scene = self._scene(np.array([trace], np.uint64), np.zeros(1, np.intp))
        found: dict[int, None] = {}
        for at in np.flatnonzero(self._halves.may_be_told_again(scene.ids, scene.members)).tolist():
            call = self._halves.member(scene.ids[at], scene.members[at])
            for other in self._halves.with_answer(call):
                if other["trace"] != trace and _same_answer(scene.members[at], other):
                    found[int(other["trace"])] = None
            for other, half in self._halves.near(call, int(scene.ids[at])):
                if other["trace"] != trace and is_one_call(call, self._halves.member(half, other)):
                    found[int(other["trace"])] = None
        return list(found)


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


def _same_answer(one: np.void, other: np.void) -> bool:
    """Say whether two spans with one response id overlap in time and do not disagree.

    Some servers number their answers from 1, so the same id alone does not make the same call.
    """
    overlap = one["start"] <= other["end"] and other["start"] <= one["end"]
    return bool(overlap) and all(
        one[side] == other[side] or min(one[side], other[side]) < 0 for side in ("input", "output")
    )


def _repeats(members: Ids) -> Bools:
    """Return which members stand in the list before."""
    again = np.ones(len(members), np.bool_)
    again[np.unique(members, return_index=True)[1]] = False
    return again


def _any_of(which: Bools, group: NDArray[np.intp], count: int) -> Bools:
    """Return of which groups some item is marked."""
    return np.bincount(group[which], minlength=count).astype(np.bool_)
