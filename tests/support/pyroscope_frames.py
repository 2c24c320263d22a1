"""What Grafana makes of an answer of the Pyroscope API, before it draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# How the Pyroscope data source turns the third part of a profile type's id into a Grafana unit.
_UNITS = {"nanoseconds": "ns", "count": "short"}


@dataclass
class Bar:
    start: int
    total: int
    own: int
    name: str
    children: list[Bar]


def by_containment(names: Sequence[str], levels: Sequence[np.ndarray]) -> Bar:
    """Find bars' parents in Pyroscope's levels: the bar above whose interval holds theirs.

    Bars that no parent holds are dropped, as Grafana drops them.
    """
    above: list[Bar] = []
    root = None
    for values in levels:
        bars, at = [], 0
        for x, total, own, name in values.reshape(-1, 4).tolist():
            bars.append(Bar(at + x, total, own, names[name], []))
            at += x + total
        parents = iter(above)
        parent = next(parents, None)
        for bar in bars:
            while parent and not (
                bar.start >= parent.start and bar.start + bar.total <= parent.start + parent.total
            ):
                parent = next(parents, None)
            if parent:
                parent.children.append(bar)
        root = root or bars[0]
        above = bars
    assert root
    return root


def nested_set(root: Bar) -> list[tuple[int, str, int, int]]:
    """Give level, label, value and self of each bar, depth first: the data source's frame."""
    found, stack = [], [(0, root)]
    while stack:
        level, bar = stack.pop()
        found.append((level, bar.name, bar.total, bar.own))
        stack.extend((level + 1, child) for child in reversed(bar.children))
    return found


def unit(profile_type_id: str) -> str:
    """Give the unit that the data source puts on the frame of a profile type."""
    part = profile_type_id.split(":")[2]
    return _UNITS.get(part, part)
