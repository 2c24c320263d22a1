"""Spans or dimensions to a flame graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.query.flame.forest import with_ancestors
from exporter.query.flame.lineage import Lineage, lineage
from exporter.query.flame.merge import Labels, Ordered, merge, ordered
from exporter.query.flame.spans import FlameSpans, Ints, Rows, bounded
from exporter.query.flame.tree import FlameDiff, FlameTree, empty_tree

# The frame above spans whose parent is not stored (yet), or that are their own ancestors.
MISSING_PARENT = "(parent missing)"
# The frame that holds all levels below the deepest that is drawn.
DEEPER = "(deeper)"
# What stands for a word that is not set: a frame without a name cannot be read or clicked.
NOT_SET = "(not set)"
# Levels beyond this cannot be read, and a browser draws each as a row. Pyroscope's own client
# libraries cut a stack at 64 to 512 frames.
DEEPEST = 512


def hierarchy(
    spans: FlameSpans, family: Lineage | None = None, *, deepest: int = DEEPEST
) -> FlameTree:
    """Add up the values of spans that share all frames from the top, over any number of traces.

    A span directly below one with the same frame shares its frame, so that an agent that calls
    itself is one frame. Spans without a known parent stand under `MISSING_PARENT`. Pass `family`
    where it is known already.
    """
    if not len(spans):
        return empty_tree()
    family = family or lineage(spans)
    labels = Labels.of(spans.frames, (MISSING_PARENT, DEEPER))
    label = labels.codes(spans.frames)[spans.frame]
    parent, missing, values = family.parent, family.missing, bounded(spans.value)
    if np.count_nonzero(values) < len(spans) // 4:
        # A selector left most spans out: those with nothing below them make no difference.
        kept = with_ancestors(parent, values > 0)
        place = np.cumsum(kept, dtype=np.int32) - np.int32(1)
        parent = np.where(parent < 0, parent, place[parent])[kept]
        label, missing, values = label[kept], missing[kept], values[kept]
    if missing.any():
        # One more row, of no value, is the parent of all that miss theirs.
        parent = np.append(np.where(missing, np.int32(len(parent)), parent), np.int32(-1))
        label = np.append(label, np.int32(labels.code[MISSING_PARENT]))
        values = np.append(values, 0)
    merged = merge(parent.astype(np.int32), label, deepest=deepest, deeper=labels.code[DEEPER])
    return tree_of(labels, ordered(merged, values[:, None]))


def dimensions(
    columns: Sequence[Rows], words: Sequence[tuple[str, ...]], values: Ints
) -> FlameTree:
    """Add up n values by k dimensions: the first dimension's words are the frames at the top.

    `columns` are k columns of n codes into the k tuples of `words`.
    """
    if not columns or not len(values):
        return empty_tree()
    shown = [tuple(word or NOT_SET for word in some) for some in words]
    labels = Labels.of(*shown)
    size, deep = len(values), len(columns)
    label = np.concatenate([labels.codes(w)[c] for w, c in zip(shown, columns, strict=True)])
    # A row per value and dimension, each the child of the same value's row before.
    parent = np.arange(size * deep, dtype=np.int32) - size
    parent[:size] = -1
    own = np.zeros(size * deep, np.int64)
    own[-size:] = bounded(values)
    merged = merge(parent, label, deepest=deep, join=False)
    return tree_of(labels, ordered(merged, own[:, None]))


def tree_of(labels: Labels, found: Ordered) -> FlameTree:
    """Name the nodes, keeping only names that are used."""
    names, name = _used_names(labels, found.label)
    return FlameTree(
        names, name, found.parent, found.depth, found.own[:, 0].copy(), found.total[:, 0].copy()
    )


def diff_of(labels: Labels, found: Ordered) -> FlameDiff:
    """Name the nodes, whose values are two: left and right."""
    names, name = _used_names(labels, found.label)
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


def _used_names(labels: Labels, label: Rows) -> tuple[tuple[str, ...], Rows]:
    """Give the distinct texts, the root's first, and each node's index into them."""
    used, name = np.unique(label, return_inverse=True)
    return tuple(labels.texts[code] for code in used.tolist()), name.astype(np.int32)
