"""Fewer frames: what is small becomes "other", and no value is lost."""

from __future__ import annotations

import numpy as np

from exporter.query.flame.build import tree_of
from exporter.query.flame.merge import Labels, merge, ordered
from exporter.query.flame.spans import Bools
from exporter.query.flame.tree import OTHER, FlameTree


def fold(tree: FlameTree, max_nodes: int) -> FlameTree:
    """Keep the largest frames; per parent, the others become one child named "other".

    The answer has at most `max_nodes` frames, the root and the "other" ones included; a limit
    below two is taken as two. As many frames as fit are kept, whichever their parents.
    """
    if len(tree) <= max_nodes:
        return tree
    kept = _kept(tree, max(max_nodes, 2))
    # The frames that stay, and of the others the topmost, which stand for all below them.
    rows = np.flatnonzero(kept[tree.parent] | (tree.parent < 0))[1:]
    labels = Labels.of(tree.names)
    label = np.where(kept, labels.codes(tree.names)[tree.name], labels.code[OTHER])[rows]
    value = np.where(kept, tree.self_value, tree.total)[rows]
    place = np.full(len(tree), -1, np.int32)
    place[rows] = np.arange(len(rows))
    merged = merge(
        place[tree.parent[rows]],
        label.astype(np.int32),
        deepest=int(tree.depth.max()),
        join=False,
    )
    return tree_of(labels, ordered(merged, value[:, None]))


def _kept(tree: FlameTree, max_nodes: int) -> Bools:
    """Choose the largest frames that fit together with the "other" frames that they call for."""
    # A parent's total is never below its child's, and it comes first: so parents are kept first.
    by_size = np.argsort(-tree.total, kind="stable")
    place = np.empty(len(tree), np.int64)
    place[by_size] = np.arange(len(tree))
    smallest_child = np.full(len(tree), -1, np.int64)
    np.maximum.at(smallest_child, tree.parent[1:], place[1:])
    # A kept frame needs an "other" for its children until the smallest of them is kept, too.
    opens = (smallest_child >= 0).astype(np.int64)
    closes = np.zeros(len(tree), np.int64)
    closes[1:] = place[1:] == smallest_child[tree.parent[1:]]
    needed = np.cumsum((1 + opens - closes)[by_size])
    kept = np.zeros(len(tree), np.bool_)
    kept[by_size[needed <= max_nodes]] = True
    return kept
