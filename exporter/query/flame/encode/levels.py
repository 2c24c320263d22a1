"""Pyroscope's flame graph: bars level by level, each placed relative to the one before.

A bar's left edge is after its parent's own value, so own values lie on the left. Grafana finds a
bar's parent by which interval of the level above contains it; that gives the tree back because
totals are above 0 and children never exceed their parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.query.flame.spans import Ints, Rows
from exporter.query.flame.tree import FlameDiff, FlameTree


@dataclass(frozen=True, slots=True)
class Levels:
    """Pyroscope's `FlameGraph`: `levels[i]` holds [offset, total, self, name] of each bar, flat."""

    names: tuple[str, ...]
    levels: tuple[Ints, ...]
    total: int
    max_self: int


@dataclass(frozen=True, slots=True)
class DiffLevels:
    """Pyroscope's `FlameGraphDiff`.

    `levels[i]` holds [offset, total, self] of the left, the same of the right, and the name of each
    bar, flat: seven numbers a bar.
    """

    names: tuple[str, ...]
    levels: tuple[Ints, ...]
    total: int
    max_self: int
    left_ticks: int
    right_ticks: int


def to_levels(tree: FlameTree) -> Levels:
    """Encode a tree."""
    order, ends = _by_depth(tree.depth)
    side = _side(order, ends, tree.self_value, tree.total)
    bars = np.stack([*side, tree.name[order]], axis=1)
    return Levels(
        names=tree.names,
        levels=_split(bars, ends),
        total=int(tree.total[0]),
        max_self=int(tree.self_value.max()),
    )


def to_diff_levels(diff: FlameDiff) -> DiffLevels:
    """Encode a diff."""
    order, ends = _by_depth(diff.depth)
    left = _side(order, ends, diff.left_self, diff.left_total)
    right = _side(order, ends, diff.right_self, diff.right_total)
    bars = np.stack([*left, *right, diff.name[order]], axis=1)
    return DiffLevels(
        names=diff.names,
        levels=_split(bars, ends),
        total=int(diff.left_total[0] + diff.right_total[0]),
        max_self=int(max(diff.left_self.max(), diff.right_self.max())),
        left_ticks=int(diff.left_total[0]),
        right_ticks=int(diff.right_total[0]),
    )


def _by_depth(depth: Rows) -> tuple[Ints, Ints]:
    """Order bars by level, left to right, and say where each level ends."""
    return np.argsort(depth, kind="stable"), np.cumsum(np.bincount(depth))


def _side(order: Ints, ends: Ints, own: Ints, total: Ints) -> tuple[Ints, Ints, Ints]:
    """Give offset, total and own value of each bar in level order."""
    # In depth-first order everything before a bar lies to the left of it.
    start = (np.cumsum(own) - own)[order]
    end = start + total[order]
    offset = start - np.concatenate(([0], end[:-1]))
    offset[ends[:-1]] = start[ends[:-1]]  # a level's first bar is placed from 0
    return offset, total[order], own[order]


def _split(bars: npt.NDArray[np.integer[Any]], ends: Ints) -> tuple[Ints, ...]:
    return tuple(level.ravel() for level in np.split(bars.astype(np.int64), ends[:-1]))
