"""Fewer frames of a diff: the same ones on both sides, so that no frame seems to come or go."""

from __future__ import annotations

import numpy as np

from exporter.query.flame.build import diff_of
from exporter.query.flame.merge import Labels, merge, ordered
from exporter.query.flame.tree import OTHER, FlameDiff


def fold_diff(both: FlameDiff, max_nodes: int) -> FlameDiff:
    """Keep the frames that are largest on both sides together; the others become "other"."""
    if len(both) <= max_nodes:
        return both
    # A parent is never smaller than its child and stands before it: so parents are kept first. Each
    # kept frame calls for one "other" at most.
    by_size = np.argsort(-(both.left_total + both.right_total), kind="stable")
    kept = np.zeros(len(both), np.bool_)
    kept[by_size[: max(max_nodes // 2, 1)]] = True
    # The frames that stay, and of the others the topmost, which stand for all below them.
    rows = np.flatnonzero(kept[both.parent] | (both.parent < 0))[1:]
    labels = Labels.of(both.names)
    label = np.where(kept, labels.codes(both.names)[both.name], labels.code[OTHER])[rows]
    value = np.stack(
        [
            np.where(kept, both.left_self, both.left_total)[rows],
            np.where(kept, both.right_self, both.right_total)[rows],
        ],
        axis=1,
    )
    place = np.full(len(both), -1, np.int32)
    place[rows] = np.arange(len(rows))
    deepest = int(both.depth.max())
    merged = merge(place[both.parent[rows]], label.astype(np.int32), deepest=deepest, join=False)
    return diff_of(labels, ordered(merged, value))
