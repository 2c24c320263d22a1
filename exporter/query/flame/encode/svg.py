"""A picture that needs nothing else: no script, no style sheet, no font of its own.

Each bar has its name, value and share as a tooltip. Bars too narrow to see are not drawn; their
parents' widths hold their values all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from zlib import crc32

import numpy as np

from exporter.query.flame.encode.text import one_line
from exporter.query.flame.profile_types import ProfileType
from exporter.query.flame.tree import FlameTree

WIDTH = 1200
_MARGIN = 10
_TITLE = 34
_BAR = 18
_CHAR = 6.6  # width of a monospace letter at 11 px
_NARROWEST = 0.3
_UNITS: dict[str, tuple[tuple[float, str], ...]] = {
    "nanoseconds": ((3.6e12, "h"), (6e10, "min"), (1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")),
}
# Fixed hues for the kinds that are everywhere; others get one by their name.
_HUES = {"llm": 28, "agent": 262, "tool": 145, "http": 205, "data": 185, "span": 215}


def to_svg(tree: FlameTree, kind: ProfileType) -> str:
    """Draw a tree, root at the top."""
    height = _TITLE + _BAR * (int(tree.depth.max()) + 1) + _MARGIN
    total = int(tree.total[0])
    title = escape(f"{kind.name}: {amount(total, kind.unit)}")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11" role="img" '
        f'aria-label="{title}"><style>g:hover>rect{{stroke:#000}}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{_MARGIN}" y="21" font-size="14" fill="#222">{title}</text>'
    )
    return "".join((head, *_bars(tree, kind), "</svg>\n"))


def _bars(tree: FlameTree, kind: ProfileType) -> Iterator[str]:
    total = max(int(tree.total[0]), 1)
    scale = (WIDTH - 2 * _MARGIN) / total
    begin = (np.cumsum(tree.self_value) - tree.self_value) * scale + _MARGIN
    width = tree.total * scale
    names = [one_line(name) for name in tree.names]
    for index in np.flatnonzero(width >= _NARROWEST).tolist():
        name = names[tree.name[index]]
        value = int(tree.total[index])
        tip = f"{name}: {amount(value, kind.unit)}, {value / total:.2%}"
        top = _TITLE + _BAR * int(tree.depth[index])
        room = int((width[index] - 6) / _CHAR)
        shown = _fitting(name, amount(value, kind.unit), room)
        text = (
            f'<text x="{begin[index] + 3:.2f}" y="{top + 12.5}" fill="#111">{escape(shown)}</text>'
            if shown
            else ""
        )
        yield (
            f'<g><title>{escape(tip)}</title><rect x="{begin[index]:.2f}" y="{top}" '
            f'width="{width[index]:.2f}" height="{_BAR - 1}" rx="1" fill="{_fill(name)}"/>'
            f"{text}</g>"
        )


def _fitting(name: str, value: str, room: int) -> str:
    """Give as much of name and value as fits into so many letters."""
    both = f"{name} ({value})"
    if len(both) <= room:
        return both
    if len(name) <= room:
        return name
    return f"{name[: room - 1]}…" if room > 3 else ""


def amount(value: int, unit: str) -> str:
    """Write a value as people say it: 12.5 ms, $0.0123, 1,234 tokens."""
    if unit == "nUSD":
        dollars = f"{value / 1e9:,.9f}".rstrip("0")
        whole, _, cents = dollars.partition(".")
        return f"${whole}.{cents.ljust(2, '0')}"
    for size, symbol in _UNITS.get(unit, ()):
        if value >= size:
            return f"{value / size:,.4g} {symbol}"
    return f"{value:,}" if unit == "count" else f"{value:,} {unit}"


def _fill(name: str) -> str:
    kind, dot, what = name.partition(".")
    if not dot:
        return "hsl(220,8%,78%)"
    hue = _HUES.get(kind, crc32(kind.encode()) % 360)
    # A little by name, so that neighbours of one kind can be told apart.
    return f"hsl({hue},62%,{68 + crc32(what.encode()) % 10}%)"
