"""The nested JSON of d3-flame-graph: name, value, children."""

from __future__ import annotations

import json

from exporter.query.flame.encode.text import one_line, visits
from exporter.query.flame.tree import FlameTree


def to_d3(tree: FlameTree) -> str:
    """Encode a tree as JSON; a frame's value is its total, as d3-flame-graph takes it.

    Written piece by piece: the json module recurses, and a tree may be deeper than it goes.
    """
    names = [json.dumps(one_line(name)) for name in tree.names]
    pieces: list[str] = []
    columns = (tree.name.tolist(), tree.total.tolist())
    for (name, total), (index, closed) in zip(
        zip(*columns, strict=True), visits(tree), strict=True
    ):
        pieces.append(f'{{"name":{names[name]},"value":{total},"children":[')
        pieces.append("]}" * closed)
        if index < len(tree) - 1 and closed:
            pieces.append(",")
    return "".join(pieces)
