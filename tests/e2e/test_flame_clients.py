"""What others make of our flame graphs: Grafana's own panel, speedscope and `go tool pprof`.

The panel's frames are made of our Pyroscope levels the way Grafana's data source makes them.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from exporter.query.flame.diff import diff
from exporter.query.flame.encode.levels import to_levels
from exporter.query.flame.encode.nested_set import to_diff_nested_set
from exporter.query.flame.encode.pprof import to_pprof
from exporter.query.flame.encode.speedscope import to_speedscope
from exporter.query.flame.profile_types import BY_NAME, flame_graph
from exporter.query.flame.tree import FlameTree
from tests.support.browser import dump_dom, node_project, run
from tests.support.flame import Span, columns
from tests.support.pyroscope_frames import by_containment, nested_set, unit

WIDTH = 1300
BAR_HEIGHT = 22
NARROW = 10  # narrower bars are drawn grey and without a text
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MS = 1_000_000


def support_chat(number: int, *, answers_with: str, price: int) -> list[Span]:
    """Make one request of a support chat: plan, look up, look up two things at once, answer.

    Values are nano-dollars; the model that answers costs `price`.
    """

    spans = [
        (1, 0, "http.POST /chat", 0, 2400, 0),
        (2, 1, "agent.support", 20, 2380, 0),
        (3, 2, "llm.gpt-4o-mini", 30, 430, 400_000),
        (4, 2, "retrieval.faq", 440, 640, 0),
        (5, 4, "llm.text-embedding-3-small", 450, 530, 20_000),
        (6, 2, "tool.order_status", 650, 1050, 0),
        (7, 6, "data.SELECT shop.orders", 660, 1000, 0),
        (8, 2, "tool.refund_policy", 650, 1250, 0),
        (9, 2, "agent.writer", 1260, 2360, 0),
        (10, 9, f"llm.{answers_with}", 1270, 2350, price),
    ]
    return [
        Span(number, at, parent, frame, start * MS, end * MS, value)
        for at, parent, frame, start, end, value in spans
    ]


def requests(model: str, price: int) -> list[Span]:
    """Make a hundred requests, of which twenty fall back on another model."""
    return [
        span
        for number in range(1, 101)
        for span in support_chat(
            number,
            answers_with="claude-haiku-4-5" if number % 5 == 0 else model,
            price=900_000 if number % 5 == 0 else price,
        )
    ]


def tokens(spans: list[Span]) -> list[Span]:
    return [span._replace(value=span.value // 500) for span in spans]


BEFORE = requests("gpt-4o", 2_000_000)
AFTER = requests("gpt-5.2", 4_100_000)


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """Bundle Grafana's panel, and give what draws a frame with it and says what was drawn."""
    scratch = tmp_path_factory.mktemp("panel")
    bundle = scratch / "panel.js"
    run(["node", str(node_project() / "build.mjs"), str(bundle)])

    def draw(columns: dict[str, list], shown_unit: str, name: str, mode: str = "dark") -> dict:
        frame = {"columns": columns, "unit": shown_unit, "width": WIDTH, "mode": mode}
        text = json.dumps(frame).replace("<", "\\u003c")
        page = scratch / f"{name}.html"
        page.write_text(
            '<!doctype html><meta charset="utf-8"><body style="margin:0"><div id="panel"></div>'
            '<script type="application/json" id="drawn"></script>'
            f"<script>window.FRAME={text}</script><script src='panel.js'></script>"
        )
        picture = scratch / f"{name}.png"
        height = 50 + BAR_HEIGHT * (max(columns["level"]) + 2)
        dom = dump_dom(page, scratch, picture, size=f"{WIDTH},{height}")
        if os.environ.get("UPDATE_PICTURES"):
            PICTURES.mkdir(exist_ok=True)
            shutil.copy(picture, PICTURES / f"flame-{name}.png")
        assert picture.read_bytes().startswith(b"\x89PNG")
        found = re.search(r'id="drawn">(.*?)</script>', dom, re.DOTALL)
        assert found, "the page was not drawn"
        return json.loads(html.unescape(found[1]))

    return draw


def frame_of(tree: FlameTree) -> dict[str, list]:
    encoded = to_levels(tree)
    rows = nested_set(by_containment(encoded.names, encoded.levels))
    names = ("level", "label", "value", "self")
    return dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))


def check_bars(drawn: dict, names: list[str], depths: list[int], totals: list[int]) -> None:
    """Every frame that is wide enough has a bar of its name, its width, at its depth."""
    scale = WIDTH / totals[0]
    free = [0] * (max(depths) + 2)  # where the next frame of each depth begins
    starts = []
    for depth, total in zip(depths, totals, strict=True):
        starts.append(free[depth])
        free[depth], free[depth + 1] = free[depth] + total, free[depth]
    wide = [at for at, total in enumerate(totals) if total * scale > NARROW]
    bars = drawn["bars"]
    assert len(bars) == len(wide)
    for bar, at in zip(bars, wide, strict=True):
        assert bar["y"] == depths[at] * BAR_HEIGHT
        assert bar["x"] == pytest.approx(starts[at] * scale + 0.5, abs=0.01)
        assert bar["width"] == pytest.approx(totals[at] * scale - 1, abs=0.01)
        if bar["width"] >= 20:
            assert bar["text"].startswith(f"{names[at]} (")


def check_colours(drawn: dict) -> None:
    """A kind has one colour, and no two kinds have the same."""
    colours = defaultdict(set)
    for bar in drawn["bars"]:
        if bar["text"]:
            colours[bar["text"].partition(".")[0].partition(" ")[0]].add(bar["colour"])
    assert {"total", "http", "agent", "llm"} <= set(colours)
    assert all(len(some) == 1 for some in colours.values()), colours
    assert len({min(some) for some in colours.values()}) == len(colours), colours


@pytest.mark.parametrize(
    ("name", "picture", "shown_unit", "texts"),
    [
        pytest.param(
            "cost", "cost", "si:nUSD",
            ["total (220 mUSD)", "llm.gpt-4o (160 mUSD)", "llm.gpt-4o-mini (40 mUSD)"],
            id="cost in dashboards, which set the unit",
        ),
        pytest.param(
            "cost", "cost-explore", None,
            ["total (220000000 nUSD)", "llm.gpt-4o (160000000 nUSD)"],
            id="cost in Explore",
        ),
        pytest.param(
            "tokens", "tokens", None, ["total (440000 tokens)", "llm.gpt-4o (320000 tokens)"],
            id="tokens",
        ),
        pytest.param(
            "wall", "wall", None,
            # Both tools run for 400 ms, in which they share the time; then one runs for 200 more.
            ["total (4 mins)", "llm.gpt-4o (1.44 mins)", "tool.refund_policy (40 s)",
             "tool.order_status"],
            id="wall time",
        ),
        pytest.param(
            "work", "work", None, ["total (4.57 mins)", "tool.refund_policy (1 min)"],
            id="work time",
        ),
    ],
)  # fmt: skip
def test_grafana_draws_every_frame_with_its_unit_and_kind(panel, name, picture, shown_unit, texts):
    kind = BY_NAME[name]
    spans = {"cost": BEFORE, "tokens": tokens(BEFORE)}.get(name)
    tree = flame_graph(columns(spans or [span._replace(value=1) for span in BEFORE]), kind)
    drawn = panel(frame_of(tree), shown_unit or unit(kind.id), picture)
    names = [tree.names[code] for code in tree.name]
    check_bars(drawn, names, tree.depth.tolist(), tree.total.tolist())
    check_colours(drawn)
    shown = [bar["text"] for bar in drawn["bars"]]
    assert [text for text in texts if not any(each.startswith(text) for each in shown)] == []


def test_grafana_draws_what_a_release_spends_more_on(panel):
    kind = BY_NAME["cost"]
    both = diff(flame_graph(columns(BEFORE), kind), flame_graph(columns(AFTER), kind))
    table = to_diff_nested_set(both)
    names = ("level", "label", "value", "self", "valueRight", "selfRight")
    drawn = panel({name: getattr(table, name) for name in names}, "si:nUSD", "diff")
    totals = (both.left_total + both.right_total).tolist()
    check_bars(drawn, table.label, table.level, totals)
    colours = {bar["text"].partition(" ")[0]: bar["colour"] for bar in drawn["bars"]}
    redness = {name: int(text[1:3], 16) - int(text[3:5], 16) for name, text in colours.items()}
    assert abs(redness["total"]) < 10  # grey: all of both sides
    assert redness["llm.gpt-4o"] < -150  # green: gone
    assert redness["llm.gpt-5.2"] > 150  # red: new
    assert -150 < redness["llm.claude-haiku-4-5"] < -50  # a smaller share than before
    assert 10 < redness["agent.writer"] < 100  # a larger one


@pytest.mark.parametrize("name", ["cost", "wall"])
def test_speedscope_imports_the_file_and_adds_it_up(name, tmp_path):
    tree = flame_graph(columns([span._replace(value=5) for span in BEFORE]), BY_NAME[name])
    document = base64.b64encode(to_speedscope(tree, BY_NAME[name]).encode()).decode()
    script = tmp_path / "profile.js"
    script.write_text(f'speedscope.loadFileFromBase64("x.speedscope.json", "{document}")')
    index = node_project() / "node_modules" / "speedscope" / "dist" / "release" / "index.html"
    page = f"{index.as_uri()}#localProfilePath={script}&view=sandwich"
    dom = dump_dom(page, tmp_path)
    cells = [
        html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in re.findall(r"<td.*?</td>", dom)
    ]
    shown = {frame: (total, own) for total, own, frame in zip(*[iter(cells)] * 3, strict=True)}
    # The table's values are in the profile's unit; its percentages are of the whole.
    own = defaultdict(int)
    for code, value in zip(tree.name.tolist(), tree.self_value.tolist(), strict=True):
        own[tree.names[code]] += value
    assert set(shown) == set(own)
    for frame, value in own.items():
        share = re.search(r"\((<?[\d.]+)%\)", shown[frame][1])
        assert share
        if value:
            assert float(share[1]) == pytest.approx(value / tree.total[0] * 100, abs=0.51)
    amounts = {"cost": "5,000", "wall": "4:00 "}
    assert shown["total"][0].startswith(amounts[name])


def test_go_tool_pprof_reads_the_file_and_adds_it_up(tmp_path):
    tree = flame_graph(columns(BEFORE), BY_NAME["cost"])
    path = tmp_path / "cost.pb.gz"
    path.write_bytes(to_pprof(tree, BY_NAME["cost"]))
    done = subprocess.run(
        ["go", "tool", "pprof", "-top", "-unit=nUSD", str(path)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PPROF_TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Type: cost" in done.stdout
    assert "of 220000000nUSD total" in done.stdout
    lines = re.findall(r"^ *(\d+)(?:nUSD)? +[\d.]+% +[\d.]+% +(\d+)(?:nUSD)? +[\d.]+%  (.*)$",
                       done.stdout, re.MULTILINE)  # fmt: skip
    shown = {name: (int(flat), int(total)) for flat, total, name in lines}
    assert sum(flat for flat, _ in shown.values()) == 220_000_000
    assert shown["llm.gpt-4o"] == (160_000_000, 160_000_000)
    assert shown["http.POST /chat"] == (0, 220_000_000)
