"""Two flame graphs side by side: before and after a release, one model and another."""

from __future__ import annotations

import numpy as np

from exporter.query.flame.build import diff_of
from exporter.query.flame.merge import Labels, merge, ordered
from exporter.query.flame.tree import FlameDiff, FlameTree


def diff(left: FlameTree, right: FlameTree) -> FlameDiff:
    """Lay two trees on each other: frames with the same path are one frame with two values."""
    labels = Labels.of(left.names, right.names)
    # Without the roots, which become one by being on top.
    label = np.concatenate([labels.codes(tree.names)[tree.name[1:]] for tree in (left, right)])
    parent = np.concatenate(
        [
            left.parent[1:] - 1,
            np.where(right.parent[1:] > 0, right.parent[1:] + len(left) - 2, -1),
        ]
    ).astype(np.int32)
    values = np.zeros((len(label), 2), np.int64)
    values[: len(left) - 1, 0] = left.self_value[1:]
    values[len(left) - 1 :, 1] = right.self_value[1:]
    deepest = int(max(left.depth.max(), right.depth.max()))
    return diff_of(labels, ordered(merge(parent, label, deepest=deepest, join=False), values))
