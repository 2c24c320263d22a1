"""Two flame graphs side by side: before and after a release, one model and another."""

from __future__ import annotations

import numpy as np

from exporter.query.flame.build import used_names
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
    found = ordered(merge(parent, label, deepest=deepest, join=False), values)
    names, name = used_names(labels, found.label)
    return FlameDiff(
        names=names,
        name=name,
        parent=found.parent,
        depth=found.depth,
        left_self=found.own[:, 0].copy(),
        left_total=found.total[:, 0].copy(),
        right_self=found.own[:, 1].copy(),
        right_total=found.total[:, 1].copy(),
    )
