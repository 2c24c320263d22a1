"""Draw a dashboard in headless Chromium, and say what was drawn."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from PIL import Image

from tests.support.browser import dump_dom, node_project, run

WIDTH = 1500
# Of the page: its title, a row of the grid with its gap.
_TITLE, _ROW = 44, 38
_COLOURS, _EXACT = 256, 160


def bundle(scratch: Path) -> Path:
    """Bundle the page's script; it takes some seconds, and serves all dashboards."""
    script = scratch / "dashboard.js"
    run(["node", str(node_project() / "build.mjs"), str(script), "dashboard.js"])
    return script


def draw(
    board: Mapping[str, Any], script: Path, scratch: Path, picture: Path | None = None
) -> list[dict[str, Any]]:
    """Draw what `answered` gave; return title, type, empty and drawn of each panel."""
    text = json.dumps({**board, "width": WIDTH}).replace("<", "\\u003c")
    page = scratch / "page.html"
    page.write_text(
        '<!doctype html><meta charset="utf-8"><body style="margin:0"><div id="panel"></div>'
        '<script type="application/json" id="drawn"></script>'
        f"<script>window.BOARD={text}</script><script src={script.as_uri()!r}></script>"
    )
    rows = max(p["panel"]["gridPos"]["y"] + p["panel"]["gridPos"]["h"] for p in board["panels"])
    size = f"{WIDTH},{_TITLE + rows * _ROW + 8}"
    dom = dump_dom(page, scratch, picture, size=size)
    found = re.search(r'id="drawn">(.+?)</script>', dom, re.DOTALL)
    assert found, "the page was not drawn"
    if picture:
        _make_small(picture)
    return json.loads(html.unescape(found[1]))


def _make_small(picture: Path) -> None:
    """Keep the colours of large areas as they are, and the most different others: half the bytes.

    The others, because a threshold's colour may be on a few pixels.
    """
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    found = sorted(image.getcolors(image.width * image.height) or (), reverse=True)
    common = [part for _, colour in found[:_EXACT] for part in cast("tuple[int, ...]", colour)]
    others = image.quantize(_COLOURS - _EXACT, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette((common + others)[: 3 * _COLOURS])
    small = image.quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
