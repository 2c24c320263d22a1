"""Where the spans of a trace stand in its tree: nested sets, as Tempo numbers them.

A walk from each root gives every span a number when it comes to it and when it leaves it, so a span
is below another if its numbers are between the other's. A span that no root leads to, because its
parent has not arrived, has zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.spans.condition import PlaceField

NO_PARENT = -1
"""The parent's number of a root."""
Place = Mapping[PlaceField, int]


def places(ids: Sequence[str], parents: Sequence[str]) -> list[Place]:
    """Return the places of the spans of one trace, which come once each and in their order.

    `parents` are the ids of their parents, empty for a root.
    """
    position = {span_id: at for at, span_id in enumerate(ids)}
    below: list[list[int]] = [[] for _ in ids]
    for at, parent in enumerate(parents):
        above = position.get(parent) if parent else None
        if above is not None:
            below[above].append(at)
    left, right, of_parent = [0] * len(ids), [0] * len(ids), [0] * len(ids)
    number = 0
    for root in (at for at, parent in enumerate(parents) if not parent):
        of_parent[root] = NO_PARENT
        # Spans to come to, and as negative numbers those to leave.
        waiting = [root]
        while waiting:
            number += 1
            at = waiting.pop()
            if at < 0:
                right[~at] = number
                continue
            left[at] = number
            waiting.append(~at)
            for child in reversed(below[at]):
                of_parent[child] = number
                waiting.append(child)
    return [
        {
            PlaceField.PARENT: of_parent[at],
            PlaceField.LEFT: left[at],
            PlaceField.RIGHT: right[at],
            PlaceField.CHILDREN: len(below[at]),
        }
        for at in range(len(ids))
    ]
