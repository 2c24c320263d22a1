"""Who is whose parent, when spans are late, lost, doubled or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.query.flame.forest import cycle_labels, cyclic
from exporter.query.flame.spans import Bools, FlameSpans, Ints, Rows, Uints

# An odd number spreads traces over the keys; what it is does not matter.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Lineage:
    """The parents of n spans: a forest, whatever was sent."""

    parent: Rows
    """Row of the parent, n; -1 at the top of a trace."""
    missing: Bools
    """At the top only because the parent is not known or the parents go round in a circle, n."""


def lineage(spans: FlameSpans) -> Lineage:
    """Find each span's parent, and cut circles at their first span by time."""
    parent = _parents(spans)
    missing = (parent < 0) & (spans.parent != 0)
    # Going round in a circle means not to start after one's parent at some point.
    suspect = (parent >= 0) & (spans.start_ns <= spans.start_ns[parent])
    if suspect.any() and len(circling := cyclic(parent, suspect)):
        cut = _cuts(spans, parent, circling)
        parent[cut] = -1
        missing[cut] = True
    return Lineage(parent, missing)


def first_order(spans: FlameSpans, rows: npt.NDArray[np.intp], *major: npt.NDArray[Any]) -> Ints:
    """Order rows by the major keys, then by all that a span is, the start first.

    Rows that are the same in everything keep their order, whoever asks: the one that has the
    children has to be the one that gets what is left over.
    """
    place = {text: at for at, text in enumerate(sorted(set(spans.frames)))}
    rank = np.array([place[text] for text in spans.frames], np.int32)
    keys = (
        rows,
        spans.value[rows],
        spans.parent[rows],
        spans.span[rows],
        rank[spans.frame[rows]],
        spans.end_ns[rows],
        spans.start_ns[rows],
        *reversed(major),
    )
    return np.lexsort(keys).astype(np.int64)


def _parents(spans: FlameSpans) -> Rows:
    """Find the row of each span's parent, -1: none."""
    parent = np.full(len(spans), -1, np.int32)
    children = np.flatnonzero(spans.parent)
    if not len(children):
        return parent
    own, wanted = _keys(spans, children)
    order = np.argsort(own)
    keys = own[order]
    order = _first_of_doubles(spans, keys, order)
    # Searched in order, because a million searches all over the place take five times as long.
    by_key = np.argsort(wanted)
    wanted, children = wanted[by_key], children[by_key]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = order[at]
    known = (spans.trace[found] == spans.trace[children]) & (
        spans.span[found] == spans.parent[children]
    )
    parent[children[known]] = found[known]
    return parent


def _keys(spans: FlameSpans, children: npt.NDArray[np.intp]) -> tuple[Uints, Uints]:
    """Give one number for trace and span id, of each span and of each child's parent.

    Two different spans have different numbers: chance makes them so, and if not, counting does.
    """
    own = spans.trace * _SPREAD + spans.span
    ordered = np.sort(own)
    if (ordered[1:] != ordered[:-1]).all() or not _collide(spans, own):
        return own, spans.trace[children] * _SPREAD + spans.parent[children]
    _, trace = np.unique(spans.trace, return_inverse=True)
    ids, span = np.unique(spans.span, return_inverse=True)
    wanted = np.minimum(np.searchsorted(ids, spans.parent[children]), len(ids) - 1)
    each = np.uint64(len(ids))
    trace = trace.astype(np.uint64) * each
    return trace + span.astype(np.uint64), trace[children] + wanted.astype(np.uint64)


def _collide(spans: FlameSpans, keys: Uints) -> bool:
    """Whether different spans have the same number."""
    order = np.argsort(keys)
    same = keys[order][1:] == keys[order][:-1]
    trace, span = spans.trace[order], spans.span[order]
    return bool((same & ((trace[1:] != trace[:-1]) | (span[1:] != span[:-1]))).any())


def _first_of_doubles(
    spans: FlameSpans, keys: Uints, order: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Put the first by time foremost among rows of one key, where the search finds it."""
    same = keys[1:] == keys[:-1]
    if not same.any():
        return order
    double = np.flatnonzero(np.concatenate(([False], same)) | np.concatenate((same, [False])))
    rows = order[double]
    order[double] = rows[first_order(spans, rows, keys[double])]
    return order


def _cuts(spans: FlameSpans, parent: Rows, circling: Rows) -> npt.NDArray[np.intp]:
    """Choose the first span by time of every circle; `circling` are the rows of all circles."""
    place = np.empty(len(parent), np.int32)
    place[circling] = np.arange(len(circling))
    rows = circling.astype(np.intp)
    rank = np.empty(len(rows), np.int64)
    rank[first_order(spans, rows)] = np.arange(len(rows))
    return rows[rank == cycle_labels(place[parent[rows]], rank)]
