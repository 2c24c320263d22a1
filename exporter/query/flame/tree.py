"""A flame graph: a tree of frames as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exporter.query.flame.spans import Ints, Rows

ROOT = "total"
OTHER = "other"


@dataclass(frozen=True, slots=True)
class FlameTree:
    """m frames in depth-first pre-order; frame 0 is the root, named "total".

    Siblings have different names and stand in the order of their names ("other" last), so the same
    code stays in the same place when numbers change. Every frame but the root has a total above 0,
    and a frame's total is its own value and its children's totals.
    """

    names: tuple[str, ...]
    """Distinct names; the first is the root's."""
    name: Rows
    """Index into `names`, m."""
    parent: Rows
    """Index of the parent frame, m; -1 for the root."""
    depth: Rows
    """0 for the root, m."""
    self_value: Ints
    """What the frame adds itself, m."""
    total: Ints
    """What the frame and all below it add, m."""

    def __len__(self) -> int:
        return len(self.name)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return int(self.total[0]) == 0


@dataclass(frozen=True, slots=True)
class FlameDiff:
    """Two flame graphs over the m frames that either has; same order and rules as `FlameTree`.

    Every frame but the root has a total above 0 on one side at least.
    """

    names: tuple[str, ...]
    name: Rows
    parent: Rows
    depth: Rows
    left_self: Ints
    left_total: Ints
    right_self: Ints
    right_total: Ints

    def __len__(self) -> int:
        return len(self.name)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw on either side."""
        return int(self.left_total[0]) == 0 and int(self.right_total[0]) == 0


def empty_tree() -> FlameTree:
    """Give the flame graph of nothing: a root of width 0."""
    rows = np.zeros(1, np.int32)
    return FlameTree((ROOT,), rows, rows - 1, rows, rows.astype(np.int64), rows.astype(np.int64))
