"""Decide who owns the usage, of a batch at once, knowing the spans of the last while.

This is on the path of every span, so a batch is remembered and looked up in columns. In most traces
the calls have nothing to do with each other, which is found out for all of them at once; only for
the others are there objects (attribution.py). What is forgotten can no longer be found as an
ancestor; its decision was made long before.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.attribution.halves import REASONS, ROLES, Halves, Ids
from exporter.genai.attribution.links import Links
from exporter.genai.attribution.members import KEY, UNDECIDED, Records, is_member, plain
from exporter.genai.attribution.roles import Line, Member, Reason, Role, decide
from exporter.genai.attribution.scene import Scene
from exporter.genai.fields import REPORTED_ABOVE
from exporter.spans.arrow import holds, words
from exporter.spans.batch import Bools, Keys, SpanBatch

# A longer line of ancestors is a loop or a mistake.
_DEPTH_MAX = 256
_APART = np.uint64(1)

_WORDS = [role.value for role in ROLES]
_DUPLICATE = ROLES.index(Role.DUPLICATE)


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
        above = np.zeros(len(batch), np.bool_)
        above[rows] = self._halves.get(members, "above")
        source = _with_word(batch["UsageSource"], above, REPORTED_ABOVE)
        return batch.with_columns({"UsageRole": words(codes, _WORDS), "UsageSource": source})

    def note_estimates(self, batch: SpanBatch) -> None:
        """Learn which calls of an attributed batch are counted with an estimate of their usage."""
        estimated = holds(batch["UsageSource"], "estimated")
        if estimated.any():
            members = self._halves.ids(plain(batch.keys[estimated]))
            self._halves.set(members[members >= 0], "estimated", values=True)

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
        members = scene.members
        linked = self._halves.may_be_told_again(scene.ids, members)
        decided = members["role"] != UNDECIDED
        involved = linked | members["never"] | scene.is_call_below_call
        entangled = _any_of(involved, scene.group, len(traces)) | (
            # What an agent's usage is depends on what was counted below it.
            _any_of(decided, scene.group, len(traces))
            & _any_of(~members["is_call"], scene.group, len(traces))
        )
        self._settle(scene, ~entangled[scene.group] & ~decided)
        has_link = _any_of(linked, scene.group, len(traces))
        self._judge(scene, np.flatnonzero(entangled & ~has_link))
        links = Links(self._halves, scene, linked)
        self._decide_together(links.groups(traces[has_link].tolist()))

    def _settle(self, scene: Scene, chosen: Bools) -> None:
        """Decide traces whose calls have nothing to do with each other, as `decide` would."""
        role, reason, above = scene.verdicts()
        ids = scene.ids[chosen]
        self._halves.set(ids, "role", role[chosen])
        self._halves.set(ids, "reason", reason[chosen])
        self._halves.set(ids, "above", above[chosen])

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

    def _scene(self, traces: Keys, groups: NDArray[np.intp]) -> Scene:
        """Return the members of some traces, and what is above them."""
        ids, found, trace = self._halves.members_of(traces)
        below, above, apart = self._lines(found)
        return Scene(ids, groups[trace], found, below, above, apart)

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

    def _judge(self, scene: Scene, groups: NDArray[np.intp]) -> None:
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
        self._halves.set(ids, "above", [m.is_reported_above for m in members.values()])


def _with_word(column: pa.DictionaryArray, where: Bools, word: str) -> pa.DictionaryArray:
    """Return a column that says `word` where it is asked for."""
    if not where.any():
        return column
    vocabulary = column.dictionary.to_pylist()
    codes = np.where(where, len(vocabulary), column.indices.fill_null(-1).to_numpy())
    return words(codes.astype(np.int32), [*vocabulary, word])


def _repeats(members: Ids) -> Bools:
    """Return which members stand in the list before."""
    again = np.ones(len(members), np.bool_)
    again[np.unique(members, return_index=True)[1]] = False
    return again


def _any_of(which: Bools, group: NDArray[np.intp], count: int) -> Bools:
    """Return of which groups some item is marked."""
    return np.bincount(group[which], minlength=count).astype(np.bool_)
