"""The members of some traces side by side, and what follows where no call is told twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exporter.genai.attribution.halves import REASONS, ROLES, Ids
from exporter.genai.attribution.members import Records
from exporter.genai.attribution.roles import Reason, Role
from exporter.spans.batch import Bools, Ints

_OWN, _ROLLUP = ROLES.index(Role.OWN), ROLES.index(Role.ROLLUP)
_ALONE, _NOTHING_BELOW = REASONS.index(Reason.ALONE), REASONS.index(Reason.NOTHING_BELOW)
_SUM_BELOW, _USAGE_BELOW = REASONS.index(Reason.SUM_BELOW), REASONS.index(Reason.USAGE_BELOW)


@dataclass(frozen=True)
class Scene:
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
    def _pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The lines as two positions, the lower one first."""
        order = np.argsort(self.ids)
        return self.below, order[np.searchsorted(self.ids, self.above, sorter=order)]

    @cached_property
    def is_call_below_call(self) -> Bools:
        """Whether a member is a call with another one above it."""
        below, above = self._pairs
        calls = self.members["is_call"]
        found = np.zeros(len(self.ids), np.bool_)
        found[below[calls[below] & calls[above]]] = True
        return found

    def verdicts(self) -> tuple[Ints, Ints, Bools]:
        """Return role, reason and whether usage is reported above, where no call is told twice."""
        below, above = self._pairs
        of = self.members
        calls, has_usage = of["is_call"], (of["input"] >= 0) | (of["output"] >= 0)
        sums = self._sums(below[(part := has_usage[below] & calls[below])], above[part])
        used_below = np.zeros(len(of), np.bool_)
        used_below[above[has_usage[below]]] = True
        reason = np.where(
            calls,
            _ALONE,
            np.where(sums, _SUM_BELOW, np.where(used_below, _USAGE_BELOW, _NOTHING_BELOW)),
        ).astype(np.int32)
        role = np.where(calls | ~(sums | used_below), _OWN, _ROLLUP).astype(np.int32)
        covers = ~calls & has_usage & (role == _OWN)
        is_reported_above = np.zeros(len(of), np.bool_)
        is_reported_above[below[covers[above] & calls[below] & ~has_usage[below]]] = True
        return role, reason, is_reported_above

    def _sums(self, below: NDArray[np.intp], above: NDArray[np.intp]) -> Bools:
        """Return whose usage is that of several calls below it together."""
        of, n = self.members, len(self.members)
        same = np.bincount(above, minlength=n) > 1
        for side in ("input", "output"):
            total = np.zeros(n, np.int64)
            np.add.at(total, above, np.maximum(of[side][below], 0))
            same &= total == of[side]
        return same
