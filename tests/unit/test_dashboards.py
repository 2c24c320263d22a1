"""What must hold of every generated dashboard, whatever it shows."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards_py import uids
from dashboards_py.dashboards import boards
from dashboards_py.generate import GENERATED, dashboards, main, stale, write
from dashboards_py.panels.board import TAG
from dashboards_py.panels.style import SOURCES

_PROJECT = Path(__file__).parents[2]
_TEXTS = {str(path): text for path, text in dashboards().items()}
_BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in _TEXTS.items()}
_CORE = {name: board for name, board in _BOARDS.items() if name.startswith("dashboards-core/")}
# What stock Grafana 11 to 13 draws without a plugin.
_TYPES = {
    "barchart", "bargauge", "flamegraph", "heatmap", "nodeGraph", "row", "stat", "table", "text",
    "timeseries", "traces",
}  # fmt: skip

every_board = pytest.mark.parametrize("board", _BOARDS.values(), ids=_BOARDS.keys())
Board = Mapping[str, Any]


def _panels(board: Board) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def _strings(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict):
        for value in item.values():
            yield from _strings(value)
    elif isinstance(item, list):
        for value in item:
            yield from _strings(value)


# ---- The set ----


def test_the_issue_s_dashboards_are_there_in_both_sets() -> None:
    expected = {
        "overview", "latency", "cost", "flame_graphs", "traces", "errors_and_limits",
        "model_comparison", "prompts", "agents_and_tools", "exporter_health",
    }  # fmt: skip
    assert set(boards(deep=True)) == set(boards(deep=False)) == expected


def test_every_uid_is_used_once_in_a_set() -> None:
    declared = sorted(value for name, value in vars(uids).items() if name.isupper())
    for deep in (True, False):
        assert sorted(board.uid for board in boards(deep=deep).values()) == declared


def test_without_clickhouse_every_question_is_still_answered() -> None:
    for name, deep in boards(deep=True).items():
        core = boards(deep=False)[name]
        assert (core.uid, core.title, core.question) == (deep.uid, deep.title, deep.question)
        assert [s.title for s in core.sections] == [s.title for s in deep.sections]
        assert all(section.panels for section in core.sections)


@pytest.mark.parametrize("board", _CORE.values(), ids=_CORE.keys())
def test_the_core_set_needs_no_plugin(board: Board) -> None:
    assert "grafana-clickhouse-datasource" not in json.dumps(board)


def test_committed_files_are_fresh() -> None:
    assert stale(dashboards(), GENERATED) == []


def test_generating_twice_gives_the_same_bytes() -> None:
    code = (
        "import hashlib\nfrom dashboards_py.generate import dashboards\n"
        "print(hashlib.sha256(repr(sorted(dashboards().items())).encode()).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=_PROJECT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_a_stale_missing_or_extra_file_is_named(tmp_path: Path) -> None:
    wanted = {Path("dashboards/a.json"): "1", Path("dashboards/b.json"): "2"}
    write(wanted, tmp_path)
    assert stale(wanted, tmp_path) == []
    (tmp_path / "dashboards/a.json").write_text("changed")
    (tmp_path / "dashboards/b.json").rename(tmp_path / "dashboards/c.json")
    assert stale(wanted, tmp_path) == [
        "dashboards/a.json", "dashboards/b.json", "dashboards/c.json (not generated)",
    ]  # fmt: skip
    write(wanted, tmp_path)
    assert stale(wanted, tmp_path) == []


def test_the_check_of_the_command_passes_on_fresh_files() -> None:
    assert main(["--check"]) == 0


# ---- A dashboard ----


# The models prefer their newest form of a dashboard, which older Grafanas cannot read.
@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
@every_board
def test_grafana_s_own_models_read_it(board: Board) -> None:
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415  # it warns

    read = Dashboard.from_json(dict(board))
    assert read.uid == board["uid"]
    assert len(read.panels or []) == len(board["panels"])


@every_board
def test_the_schema_is_current_and_it_can_be_found(board: Board) -> None:
    assert board["schemaVersion"] >= 39
    assert board["tags"] == [TAG]
    assert board["title"].startswith("LLM")
    assert board["description"].endswith((".", "?"))


@every_board
def test_only_current_panel_types_occur(board: Board) -> None:
    assert {panel["type"] for panel in board["panels"]} <= _TYPES


@every_board
def test_every_panel_says_what_it_shows(board: Board) -> None:
    for panel in _panels(board):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["title"] or panel["type"] == "text"


@every_board
def test_panels_have_their_own_ids_and_do_not_overlap(board: Board) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        assert not cells & taken, panel["title"]
        taken |= cells


@every_board
def test_every_line_of_panels_fills_the_width(board: Board) -> None:
    widths: dict[int, int] = {}
    for panel in board["panels"]:
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"]):
            widths[y] = widths.get(y, 0) + panel["gridPos"]["w"]
    assert set(widths.values()) == {24}


@every_board
def test_every_variable_exists_and_is_used(board: Board) -> None:
    declared = {variable["name"] for variable in board["templating"]["list"]}
    own = {f"{v['name']}": v for v in board["templating"]["list"]}
    used: set[str] = set()
    for text in _strings([board["panels"], board["annotations"], list(own.values())]):
        for braced, plain in re.findall(r"\$(?:\{(\w+)|(\w+))", text):
            used.add(braced or plain)
    used = {name for name in used if not name.startswith("__")}
    assert used - declared == set()
    assert declared - used == set()


@every_board
def test_every_data_source_is_chosen_by_a_variable_that_defaults_to_ours(board: Board) -> None:
    choices = {
        f"${{{v['name']}}}": (v["query"], v["current"]["value"])
        for v in board["templating"]["list"]
        if v["type"] == "datasource"
    }
    known = {s.reference["uid"]: (s.type, s.uid) for s in SOURCES}
    assert choices.items() <= known.items()
    for panel in _panels(board):
        for target in panel.get("targets", []):
            assert target["datasource"]["type"] == choices[target["datasource"]["uid"]][0]
        if panel["type"] != "text":
            assert panel["targets"], panel["title"]


@every_board
def test_links_lead_to_dashboards_and_variables_that_exist(board: Board) -> None:
    siblings = [
        other
        for other in _BOARDS.values()
        if (other in _CORE.values()) == (board in _CORE.values())
    ]
    variables = {
        other["uid"]: {v["name"] for v in other["templating"]["list"]} for other in siblings
    }
    for url in (text for text in _strings(board["panels"]) if text.startswith("/d/")):
        path, _, query = url.partition("?")
        assert set(re.findall(r"var-(\w+)=", query)) <= variables[path.removeprefix("/d/")], url


@every_board
def test_a_model_has_the_same_colour_everywhere(board: Board) -> None:
    for panel in _panels(board):
        by_model = [
            target
            for target in panel.get("targets", [])
            if target.get("legendFormat") == "{{model}}"
        ]
        if by_model:
            assert panel["fieldConfig"]["defaults"]["color"] == {"mode": "palette-classic-by-name"}


@every_board
def test_charts_of_calls_lead_to_their_traces(board: Board) -> None:
    for panel in _panels(board):
        of_models = any(t.get("legendFormat") == "{{model}}" for t in panel.get("targets", []))
        if panel["type"] == "timeseries" and of_models:
            urls = [link["url"] for link in panel["fieldConfig"]["defaults"]["links"]]
            assert any(url.startswith(f"/d/{uids.TRACES}?") for url in urls), panel["title"]
