"""The page that draws dashboards for the documentation draws every panel, from real answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards_py.generate import dashboards
from tests.e2e.panel_scene import open_scene
from tests.e2e.panel_sources import Scene
from tests.pictures.board import answered
from tests.pictures.page import bundle, draw

_BOARDS = {
    path.stem: json.loads(text)
    for path, text in dashboards().items()
    if path.parent.name == "dashboards"
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with open_scene(tmp_path_factory.mktemp("pictures")) as opened:
        yield opened


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("page"))


# Together they have every type of panel but a text.
_DRAWN = ("cost", "latency", "traces")


def test_every_type_of_panel_is_drawn_here() -> None:
    types = {panel["type"] for board in _BOARDS.values() for panel in board["panels"]}
    drawn = {panel["type"] for name in _DRAWN for panel in _BOARDS[name]["panels"]}
    assert types - drawn == {"text"}


@pytest.mark.parametrize("name", _DRAWN)
def test_every_panel_is_drawn(scene: Scene, script: Path, tmp_path: Path, name: str) -> None:
    drawn = draw(answered(scene, _BOARDS[name]), script, tmp_path)
    titles = [panel["title"] for panel in _BOARDS[name]["panels"] if panel["type"] != "row"]
    assert len(drawn) == len(titles)
    blank = [panel for panel in drawn if panel["empty"] or not panel["drawn"]]
    assert not blank


def test_a_panel_without_data_is_noticed(scene: Scene, script: Path, tmp_path: Path) -> None:
    board = answered(scene, _BOARDS["overview"])
    of_title = {one["panel"]["title"]: one for one in board["panels"]}
    of_title["Requests by model"]["frames"] = []
    # A frame that its panel cannot be drawn of, because a column is missing.
    of_title["Models"]["panel"] = of_title["Models"]["panel"] | {"type": "barchart"}
    drawn = {panel["title"]: panel for panel in draw(board, script, tmp_path)}
    assert drawn["Requests by model"]["empty"]
    assert not drawn["Models"]["drawn"]
    assert drawn["Requests"]["drawn"]
