"""The list of dashboards and panels in docs/dashboards.md, made from the dashboards themselves."""

from __future__ import annotations

import json
import re
from typing import Any

from dashboards_py.dashboards import boards
from dashboards_py.panels import Board
from dashboards_py.panels.style import SOURCES

START, END = "<!-- dashboards: made by `make generate` -->\n", "<!-- /dashboards -->"
# The dashboards that `make pictures` draws, and where their pictures are, from docs/.
PICTURES = {
    "overview": "pictures/overview.png",
    "cost": "pictures/cost.png",
    "latency": "pictures/latency.png",
    "flame_graphs": "pictures/flame-graphs.png",
    "traces": "pictures/traces.png",
    "errors_and_limits": "pictures/errors.png",
    "model_comparison": "pictures/models.png",
    "prompts": "pictures/prompts.png",
    "agents_and_tools": "pictures/agents.png",
}
# Of these, while traffic comes in: a replayed day says nothing true of lag, queues and memory.
PICTURES_LIVE = {"exporter_health": "pictures/health.png"}
_NAMES = {
    "prometheus": "Prometheus",
    "tempo": "traces",
    "pyroscope": "flame graphs",
    "clickhouse": "ClickHouse",
}


def page(current: str) -> str:
    """Return the page with its list made anew. Raise ValueError where the page has no marks."""
    found = re.search(re.escape(START) + ".*?" + re.escape(END), current, re.DOTALL)
    if found is None:
        raise ValueError(f"docs/dashboards.md has no part between {START.strip()} and {END}")
    return current.replace(found[0], START + _list() + END)


def _list() -> str:
    core = boards(deep=False)
    return "".join(_section(name, board, core[name]) for name, board in boards(deep=True).items())


def _section(name: str, board: Board, core: Board) -> str:
    panels = _panels(board)
    titles = {panel["title"] for panel in panels}
    others = [panel for panel in _panels(core) if panel["title"] not in titles]
    lines = [f"### {board.title}\n", f"{board.question} (`{board.uid}`)\n"]
    if name in PICTURES:
        lines.append(f"![{board.title}, drawn from two days of the demo]({PICTURES[name]})\n")
    if name in PICTURES_LIVE:
        lines.append(f"![{board.title}, drawn while the demo ran]({PICTURES_LIVE[name]})\n")
    lines += _table(panels)
    if others:
        lines += ["\nWithout ClickHouse, in place of what asks it:\n", *_table(others)]
    return "\n".join(lines) + "\n\n"


def _table(panels: list[dict[str, Any]]) -> list[str]:
    rows = [
        f"| {panel['title']} | {_cell(panel['description'])} | {_asked(panel)} |"
        for panel in panels
    ]
    return ["| panel | what it shows | asks |", "|---|---|---|", *rows]


def _panels(board: Board) -> list[dict[str, Any]]:
    return [
        panel
        for panel in json.loads(board.json())["panels"]
        if panel["type"] not in {"row", "text"}
    ]


def _asked(panel: dict[str, Any]) -> str:
    uids = {target["datasource"]["uid"] for target in panel["targets"]}
    return ", ".join(_NAMES[s.variable] for s in SOURCES if s.reference["uid"] in uids)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
