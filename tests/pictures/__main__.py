"""Draw the dashboards of the documentation: `python -m tests.pictures [NAME...]`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from dashboards_py.generate import dashboards
from dashboards_py.page import PICTURES, PICTURES_LIVE
from tests.e2e.panel_sources import Scene
from tests.pictures.board import answered
from tests.pictures.live import live
from tests.pictures.page import bundle, draw
from tests.pictures.shop import Size, open_shop

_DOCS = Path(__file__).parents[2] / "docs"
# Of what is drawn of live traffic, and a bit more, for rates over the first minute.
_LIVE_MIN = 5
_LIVE_S = _LIVE_MIN * 60 + 70


def main(names: list[str]) -> int:
    """Draw the dashboards of these names, or all; return 1 if a panel cannot be drawn."""
    unknown = set(names) - {*PICTURES, *PICTURES_LIVE}
    if unknown:
        print(f"no such picture: {', '.join(sorted(unknown))}")
        return 2
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="llm-observatory-pictures-") as folder:
        scratch = Path(folder)
        script = bundle(scratch)
        with open_shop(scratch, Size()) as shop:
            for name, where in PICTURES.items():
                if not names or name in names:
                    failed += _draw(shop.scene, name, where, script)
            chosen = {n: where for n, where in PICTURES_LIVE.items() if not names or n in names}
            if chosen:
                live(shop.scene.service, shop.traces, _LIVE_S)
            for name, where in chosen.items():
                failed += _draw(shop.scene, name, where, script, since=f"now-{_LIVE_MIN}m")
    print("\n".join(f"not drawn: {one}" for one in failed))
    return bool(failed)


def _draw(scene: Scene, name: str, where: str, script: Path, since: str = "") -> list[str]:
    """Draw one and say what is empty; return the panels that could not be drawn."""
    board = json.loads(dashboards()[Path("dashboards") / f"{name}.json"])
    drawn = draw(answered(scene, board, since), script, script.parent, _DOCS / where)
    empty = [panel["title"] for panel in drawn if panel["empty"]]
    print(f"{where}: {len(drawn)} panels, empty: {', '.join(empty) or 'none'}", flush=True)
    return [
        f"{name}: {panel['title']}" for panel in drawn if not (panel["drawn"] or panel["empty"])
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
