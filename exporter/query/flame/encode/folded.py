"""Folded stacks: one line a path, `a;b;c 42`, as flamegraph.pl and inferno read them."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.query.flame.encode.text import one_line
from exporter.query.flame.tree import FlameTree


def to_folded(tree: FlameTree) -> Iterator[str]:
    """Give the lines, without line ends; the root is left out, as those tools add their own.

    The numbers add up to the tree's total. A `;` within a frame becomes `:`, because the format
    has no way to quote it; spaces are fine, for the number comes after the last one.
    """
    names = [one_line(name).replace(";", ":") for name in tree.names]
    path: list[str] = []
    columns = (tree.name.tolist(), tree.depth.tolist(), tree.self_value.tolist())
    for name, depth, own in zip(*columns, strict=True):
        del path[max(depth - 1, 0) :]
        if depth:
            path.append(names[name])
        if own:
            yield f"{';'.join(path)} {own}"
