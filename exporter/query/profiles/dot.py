"""A flame graph as Graphviz's dot: a box for each frame, the wider arrow for the larger total."""

from __future__ import annotations

import json
from collections.abc import Iterator

from exporter.query.flame.encode.text import one_line
from exporter.query.flame.profile_types import ProfileType
from exporter.query.flame.tree import FlameTree


def to_dot(tree: FlameTree, kind: ProfileType) -> str:
    """Encode a tree."""
    return "\n".join(_lines(tree, kind)) + "\n"


def _lines(tree: FlameTree, kind: ProfileType) -> Iterator[str]:
    whole = max(int(tree.total[0]), 1)
    yield f"digraph {_quoted(kind.name)} {{"
    yield "node [shape=box]"
    for index in range(len(tree)):
        name = one_line(tree.names[tree.name[index]])
        own, total = int(tree.self_value[index]), int(tree.total[index])
        share = f"{100 * total / whole:.2f}%"
        label = f"{name}\n{own} of {total} {kind.unit} ({share})"
        yield f"N{index} [label={_quoted(label)}]"
        parent = int(tree.parent[index])
        if parent >= 0:
            width = 1 + 5 * total / whole
            yield f"N{parent} -> N{index} [label={_quoted(str(total))} penwidth={width:.1f}]"
    yield "}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
