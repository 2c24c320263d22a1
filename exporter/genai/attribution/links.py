"""Find the traces that tell a call of another one again, so that they are decided together.

Instrumentations that lose the context start a trace of their own for the same call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from exporter.genai.attribution.halves import Halves
from exporter.genai.attribution.members import Records
from exporter.genai.attribution.scene import Scene
from exporter.genai.attribution.twins import SLACK_NS, is_one_call
from exporter.spans.batch import Bools

# So many traces are looked at together, when calls of one may be calls of the next.
_TRACES_MAX = 64


class Links:
    """The calls of some traces that others may tell again."""

    def __init__(self, halves: Halves, scene: Scene, linked: Bools) -> None:
        """Take the members of the scene that are marked as calls of that kind."""
        self._halves = halves
        self._known: set[int] = set(scene.members["trace"].tolist())
        # A parent is one of its own trace, so only roots have twins in others.
        outside = (scene.members["parent"] == 0) & (scene.members["place"] != 0)
        outside |= halves.has_answer_elsewhere(scene.members)
        linked = linked & outside
        self._ids, self._members = scene.ids[linked], scene.members[linked]
        self._chains = halves.chains(self._ids, self._members).tolist()
        self._of_trace: dict[int, list[int]] = {}
        for at, trace in enumerate(self._members["trace"].tolist()):
            self._of_trace.setdefault(trace, []).append(at)

    def groups(self, traces: Sequence[int]) -> Iterator[list[int]]:
        """Yield each trace in the group of those that are to be decided with it."""
        done: set[int] = set()
        for trace in traces:
            if trace in done:
                continue
            group = {trace: None}
            open_traces = [trace]
            while open_traces:
                for other in self._told_again(open_traces.pop()):
                    if other not in group and len(group) < _TRACES_MAX:
                        group[other] = None
                        open_traces.append(other)
            done.update(group)
            yield list(group)

    def _told_again(self, trace: int) -> list[int]:
        """Return the other traces that may tell a call of this one."""
        if trace in self._known:
            ids, members, chains = self._ids, self._members, self._chains
            positions = self._of_trace.get(trace, [])
        else:
            ids, members, _ = self._halves.members_of(np.array([trace], np.uint64))
            chains = self._halves.chains(ids, members).tolist()
            positions = list(range(len(ids)))
        found: dict[int, None] = {}
        for at in positions:
            told = _with_its_answer(members[at], self._halves.with_answer(chains[at]))
            found.update(dict.fromkeys(told))
            found.update(dict.fromkeys(self._twins(int(ids[at]), members[at], chains[at])))
        return list(found)

    def _twins(self, member: int, one: np.void, chains: Sequence[int]) -> list[int]:
        """Return the other traces with a call that may be this one, as another tells it."""
        if not one["place"] or one["parent"]:
            return []
        others, near = self._halves.near(member, chains)
        start, end = near["start"], near["end"]
        inside = (start >= one["start"] - SLACK_NS) & (end <= one["end"] + SLACK_NS)
        around = (start <= one["start"] + SLACK_NS) & (end >= one["end"] - SLACK_NS)
        # At first in columns, what most fail by.
        likely = (near["trace"] != one["trace"]) & (near["scope"] != one["scope"])
        likely &= ~near["moved"] & (inside | around)
        if not likely.any():
            return []
        call = self._halves.member(member, one)
        return [
            int(near[at]["trace"])
            for at in np.flatnonzero(likely).tolist()
            if is_one_call(call, self._halves.member(int(others[at]), near[at]))
        ]


def _with_its_answer(one: np.void, others: Records) -> list[int]:
    """Return the other traces in which a response id is the same call's.

    Some servers number their answers from 1, so the same id alone does not make the same call: the
    spans overlap in time and do not disagree.
    """
    if not one["answer"]:
        return []
    same = (others["trace"] != one["trace"]) & ~others["moved"]
    same &= (one["start"] <= others["end"]) & (others["start"] <= one["end"])
    for side in ("input", "output"):
        same &= (others[side] == one[side]) | (np.minimum(others[side], one[side]) < 0)
    return others["trace"][same].tolist()
