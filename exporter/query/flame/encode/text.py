"""Frame texts as formats can hold them. They come from senders: nothing in them is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from exporter.query.flame.tree import FlameTree

# Control characters end lines, hide text or are not allowed in XML.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFFFE, 0xFFFF)
# Overrides of the writing direction make a text read as another.
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSAFE = {**dict.fromkeys(_CONTROLS, " "), **dict.fromkeys(_DIRECTIONS, "")}


def one_line(text: str) -> str:
    """Make a text safe to show: no control characters, no change of writing direction."""
    return text.translate(_UNSAFE).encode("utf-8", "replace").decode()


def visits(tree: FlameTree) -> Iterator[tuple[int, int]]:
    """Walk depth first: give each frame and how many of the frames around it end right after it.

    For formats that open and close what is nested, without recursion.
    """
    depths = [*tree.depth.tolist(), 0]
    for index, (depth, following) in enumerate(pairwise(depths)):
        closed = depth - following + 1
        # The last frame closes everything, the root included.
        yield index, depth + 1 if index == len(tree) - 1 else closed
