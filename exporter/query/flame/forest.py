"""Steps from every row of a forest to its top at once, by doubling the length of the step.

A forest is an array of parent rows, -1 at a top. Ten thousand generations take fourteen rounds,
and nothing here recurses.
"""

from __future__ import annotations

import numpy as np

from exporter.query.flame.spans import Bools, Ints, Rows

# Generations that are gone up one by one; doubling the step takes over from there.
_GENERATIONS = 64


def path_sums(parent: Rows, weight: Rows) -> tuple[Rows, Rows]:
    """Sum up the weights on the way from each of n rows to its top, itself included.

    Also gives where a row that reaches no top is after at least n steps: a row of the cycle that it
    is caught in; -1 for rows that do reach one.
    """
    size = len(parent)
    jump = parent.copy()
    sums = weight.copy()
    active = np.flatnonzero(jump >= 0)
    for _ in range(size.bit_length() + 1):
        if not len(active):
            break
        ahead = jump[active]
        added = sums[ahead]
        beyond = jump[ahead]
        sums[active] += added
        jump[active] = beyond
        active = active[beyond >= 0]
    return sums, jump


def cyclic(parent: Rows, suspect: Bools) -> Rows:
    """Find the rows of all cycles of n rows, each of which has a suspect among its rows."""
    kept = with_ancestors(parent, suspect)
    rows = np.flatnonzero(kept).astype(np.int32)
    place = np.cumsum(kept, dtype=np.int32) - np.int32(1)
    above = np.where(parent < 0, parent, place[parent])[rows]
    _, caught = path_sums(above, np.zeros(len(rows), np.int32))
    return rows[np.unique(caught[caught >= 0])]


def cycle_labels(following: Rows, rank: Ints) -> Ints:
    """Give each row the least rank of its cycle; every row has a next one and is in a cycle."""
    least = rank.copy()
    jump = following
    for _ in range(len(rank).bit_length() + 1):
        least = np.minimum(least, least[jump])
        jump = jump[jump]
    return least


def climb(parent: Rows, onwards: Bools) -> Rows:
    """Go up from each of n rows while `onwards` holds of the row; give where that ends.

    A row that goes on has a parent, and no cycle goes on for ever.
    """
    reached = np.where(onwards, parent, np.arange(len(parent), dtype=np.int32)).astype(np.int32)
    active = np.flatnonzero(onwards)
    while len(active):
        ahead = reached[active]
        beyond = reached[ahead]
        moved = beyond != ahead
        reached[active] = beyond
        active = active[moved]
    return reached


def with_ancestors(parent: Rows, marked: Bools) -> Bools:
    """Tell which of n rows are marked or have a marked row below them.

    For speed only: where looking far up does not end it, it says so of all rows.
    """
    found = marked.copy()
    rows = np.flatnonzero(marked)
    for _ in range(_GENERATIONS):
        above = parent[rows]
        rows = np.unique(above[above >= 0])
        rows = rows[~found[rows]]
        if not len(rows):
            return found
        found[rows] = True
    return np.ones(len(parent), np.bool_)


def under(parent: Rows, marked: Bools) -> Bools:
    """Tell which of n rows are marked or have a marked row above them."""
    found = marked.copy()
    jump = parent.copy()
    active = np.flatnonzero((jump >= 0) & ~found)
    while len(active):
        ahead = jump[active]
        hit = found[ahead]
        beyond = jump[ahead]
        found[active] = hit
        jump[active] = beyond
        active = active[~hit & (beyond >= 0)]
    return found
