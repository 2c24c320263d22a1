"""Make one tree of many paths: rows that share all frames from the top share a node.

Works one level of depth at a time over all rows, so the cost is that of the rows, not of the
traces, and a path of any length needs no recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.query.flame.forest import climb, path_sums
from exporter.query.flame.spans import Bools, Ints, Rows
from exporter.query.flame.tree import OTHER, ROOT

# The table that numbers a level's keys may be this many times as long as the level, and a sort is
# slower.
_TABLE_PER_ROW = 8


@dataclass(frozen=True, slots=True)
class Labels:
    """Frame texts in the order in which siblings stand: the root's, all others, "other" last."""

    texts: tuple[str, ...]
    code: dict[str, int]

    @classmethod
    def of(cls, *words: tuple[str, ...]) -> Labels:
        """Collect the distinct texts."""
        distinct = {word for some in words for word in some} - {ROOT, OTHER}
        texts = (ROOT, *sorted(distinct), OTHER)
        return cls(texts, {text: code for code, text in enumerate(texts)})

    def codes(self, words: tuple[str, ...]) -> Rows:
        """Give the code of each text."""
        return np.fromiter((self.code[word] for word in words), np.int32, len(words))


@dataclass(frozen=True, slots=True)
class Merged:
    """m nodes level by level from the top, and the node of each of n rows."""

    label: Rows
    parent: Rows
    """Node of the parent, m; -1 for the root, which is node 0."""
    levels: tuple[slice, ...]
    """The nodes of each depth; siblings are neighbours, in the order of their labels."""
    node: Rows
    """n."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """The k nodes worth drawing, depth first, and their sums over c columns of values."""

    label: Rows
    parent: Rows
    depth: Rows
    own: Ints
    """k x c."""
    total: Ints
    """k x c."""


def merge(parent: Rows, label: Rows, *, deepest: int, deeper: int = 0, join: bool = True) -> Merged:
    """Give every path of labels from the top one node.

    With `join`, a row with its parent's label shares the parent's node. Rows more than `deepest`
    levels down share one node labelled `deeper` under the node where their path reaches that depth.
    """
    above = np.maximum(parent, 0)
    same = (parent >= 0) & (label == label[above]) & join
    level, _ = path_sums(parent, (~same).astype(np.int32))
    first = climb(parent, same) if same.any() else np.arange(len(parent), dtype=np.int32)
    # The row whose node is the parent of a row's node.
    upper = np.where(parent < 0, -1, first[above]).astype(np.int32)
    if (level > deepest).any():
        label, upper = _cut(label, upper, level > deepest, deeper)
        level = np.minimum(level, deepest + 1)
    return _numbered(level, label, upper, first, same)


def _cut(label: Rows, upper: Rows, below: Bools, deeper: int) -> tuple[Rows, Rows]:
    """Hang all rows that are too deep below the last row that is not."""
    last = climb(upper, below)
    return (
        np.where(below, np.int32(deeper), label).astype(np.int32),
        np.where(below, last, upper).astype(np.int32),
    )


def _numbered(level: Rows, label: Rows, upper: Rows, first: Rows, same: Bools) -> Merged:
    """Number the nodes of one level after the other; `same` rows take the node of their `first`."""
    node = np.zeros(len(level), np.int32)
    rows = np.flatnonzero(~same).astype(np.int32)
    # 16 bits, because that is what numpy sorts in linear time; depth is limited far below.
    rows = rows[np.argsort(level[rows].astype(np.uint16), kind="stable")]
    ends = np.cumsum(np.bincount(level[rows], minlength=1))
    labels, parents, levels = [np.zeros(1, np.int32)], [np.full(1, -1, np.int32)], [slice(0, 1)]
    span = int(label.max(initial=0)) + 1
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        here = rows[begin:end]
        above = node[upper[here]] * (upper[here] >= 0)
        offset, count = levels[-1].start, levels[-1].stop - levels[-1].start
        keys = (above.astype(np.int64) - offset) * span + label[here]
        distinct, index = _distinct(keys, count * span)
        start = levels[-1].stop
        node[here] = start + index
        labels.append((distinct % span).astype(np.int32))
        parents.append((distinct // span + offset).astype(np.int32))
        levels.append(slice(start, start + len(distinct)))
    node[same] = node[first[same]]
    return Merged(np.concatenate(labels), np.concatenate(parents), tuple(levels), node)


def _distinct(keys: Ints, limit: int) -> tuple[Ints, npt.NDArray[np.integer[Any]]]:
    """Give the distinct keys in order, and the place of each key among them."""
    if limit > _TABLE_PER_ROW * len(keys) + 1024:
        return np.unique(keys, return_inverse=True)
    used = np.zeros(limit, np.bool_)
    used[keys] = True
    distinct = np.flatnonzero(used)
    place = np.empty(limit, np.int32)
    place[distinct] = np.arange(len(distinct), dtype=np.int32)
    return distinct, place[keys]


def ordered(merged: Merged, values: Ints) -> Ordered:
    """Sum up n x c values per node and put the nodes that are worth anything depth first."""
    size = len(merged.label)
    own = np.zeros((size, values.shape[1]), np.int64)
    for column in range(values.shape[1]):
        np.add.at(own[:, column], merged.node, values[:, column])
    total = own.copy()
    for level in reversed(merged.levels[1:]):
        np.add.at(total, merged.parent[level], total[level])
    kept = (total != 0).any(axis=1)
    kept[0] = True
    place, depth = _places(merged, kept)
    order = np.empty(int(kept.sum()), np.int64)
    order[place[kept]] = np.flatnonzero(kept)
    parent = np.where(order > 0, place[merged.parent[order]], -1).astype(np.int32)
    return Ordered(merged.label[order], parent, depth[order], own[order], total[order])


def _places(merged: Merged, kept: Bools) -> tuple[Rows, Rows]:
    """Give each kept node its place in depth-first order, and every node its depth."""
    size = kept.astype(np.int32)
    for level in reversed(merged.levels[1:]):
        np.add.at(size, merged.parent[level], size[level])
    place = np.zeros(len(size), np.int32)
    depth = np.zeros(len(size), np.int32)
    for deep, level in enumerate(merged.levels[1:], start=1):
        parent = merged.parent[level]
        before = np.cumsum(size[level]) - size[level]
        eldest = np.searchsorted(parent, parent)  # parents ascend along a level
        place[level] = place[parent] + 1 + before - before[eldest]
        depth[level] = deep
    return place, depth
