"""Draw the dashboards of the documentation: `python -m tests.pictures [NAME...]`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from dashboards_py.generate import dashboards
from dashboards_py.page import PICTURES
from tests.pictures.board import answered
from tests.pictures.page import bundle, draw
from tests.pictures.shop import Size, open_shop

_DOCS = Path(__file__).parents[2] / "docs"


def main(names: list[str]) -> int:
    """Draw the dashboards of these names, or all; return 1 if a panel cannot be drawn."""
    boards = {
        path.stem: text for path, text in dashboards().items() if path.parent.name == "dashboards"
    }
    chosen = {name: where for name, where in PICTURES.items() if not names or name in names}
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="llm-observatory-pictures-") as folder:
        scratch = Path(folder)
        script = bundle(scratch)
        with open_shop(scratch, Size()) as scene:
            for name, where in chosen.items():
                drawn = draw(
                    answered(scene, json.loads(boards[name])), script, scratch, _DOCS / where
                )
                failed += [
                    f"{name}: {panel['title']}"
                    for panel in drawn
                    if not (panel["drawn"] or panel["empty"])
                ]
                empty = [panel["title"] for panel in drawn if panel["empty"]]
                print(
                    f"{where}: {len(drawn)} panels, empty: {', '.join(empty) or 'none'}", flush=True
                )
    print("\n".join(f"not drawn: {one}" for one in failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
