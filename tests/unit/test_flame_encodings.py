"""Every encoding carries the whole tree, whatever senders put into frame names."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.query.flame.build import DEEPEST, hierarchy
from exporter.query.flame.diff import diff
from exporter.query.flame.encode.d3 import to_d3
from exporter.query.flame.encode.folded import to_folded
from exporter.query.flame.encode.levels import DiffLevels, Levels, to_diff_levels, to_levels
from exporter.query.flame.encode.nested_set import rows, to_diff_nested_set, to_nested_set
from exporter.query.flame.encode.pprof import Profile, to_pprof
from exporter.query.flame.encode.speedscope import to_speedscope
from exporter.query.flame.encode.svg import WIDTH, amount, to_svg
from exporter.query.flame.encode.text import one_line
from exporter.query.flame.fold import fold
from exporter.query.flame.profile_types import BY_NAME, PROFILE_TYPES
from exporter.query.flame.tree import FlameTree, empty_tree
from tests.support.flame import Span, any_spans, columns, own_values
from tests.support.pyroscope_frames import by_containment, nested_set

COST = BY_NAME["cost"]
WALL = BY_NAME["wall"]
HOSTILE = st.text(
    st.one_of(
        st.sampled_from("; \n\r\t\"'<>&\\{}:/.\0\u2028\u202e\ufffe\ud800"),
        st.characters(codec=None),
    ),
    max_size=8,
)

trees = any_spans.map(lambda spans: hierarchy(columns(spans)))
hostile_trees = st.lists(
    st.tuples(st.integers(0, 4), HOSTILE, st.integers(0, 9)), min_size=1, max_size=8
).map(
    lambda rows: hierarchy(
        columns(
            [
                Span(1, at, min(up, at - 1), text, 0, 1, value)
                for at, (up, text, value) in enumerate(rows, start=1)
            ]
        )
    )
)


def as_rows(tree: FlameTree) -> list[tuple[int, str, int, int]]:
    return [
        (int(tree.depth[i]), tree.names[tree.name[i]], int(tree.total[i]), int(tree.self_value[i]))
        for i in range(len(tree))
    ]


@given(trees, st.integers(2, 20))
def test_grafana_finds_the_same_tree_in_the_levels(tree, most):
    for each in (tree, fold(tree, most)):
        encoded = to_levels(each)
        assert encoded.names[0] == "total"
        assert encoded.levels[0].tolist() == [0, each.total[0], 0, 0]
        assert nested_set(by_containment(encoded.names, encoded.levels)) == as_rows(each)
        assert encoded.total == each.total[0]
        assert encoded.max_self == max(each.self_value)


@given(trees, trees)
def test_the_levels_of_a_diff_hold_both_sides(left, right):
    both = diff(left, right)
    encoded = to_diff_levels(both)
    assert (encoded.left_ticks, encoded.right_ticks) == (left.total[0], right.total[0])
    assert encoded.total == left.total[0] + right.total[0]
    # Both sides drawn at once, as the Drilldown app does, are the sum of the two trees.
    summed = tuple(
        np.stack([v[0::7] + v[3::7], v[1::7] + v[4::7], v[2::7] + v[5::7], v[6::7]], axis=1).ravel()
        for v in encoded.levels
    )
    assert nested_set(by_containment(encoded.names, summed)) == [
        (
            int(both.depth[i]),
            both.names[both.name[i]],
            int(both.left_total[i] + both.right_total[i]),
            int(both.left_self[i] + both.right_self[i]),
        )
        for i in range(len(both))
    ]


@given(trees)
def test_the_nested_set_is_the_tree(tree):
    table = to_nested_set(tree)
    assert list(zip(table.level, table.label, table.value, table.self, strict=True)) == as_rows(
        tree
    )
    dollars = to_nested_set(tree, usd=True)
    assert dollars.value == pytest.approx([value / 1e9 for value in table.value])
    listed = list(rows(table))
    assert [row["value"] for row in listed] == table.value
    assert all(set(row) == {"label", "level", "value", "self"} for row in listed)


@given(trees, trees)
def test_the_nested_set_of_a_diff_has_the_baseline_on_the_left(left, right):
    table = to_diff_nested_set(diff(left, right))
    assert (table.value[0], table.valueRight[0]) == (left.total[0], right.total[0])
    assert (sum(table.self), sum(table.selfRight)) == (left.total[0], right.total[0])


def cleaned(tree: FlameTree, clean=one_line) -> Counter:
    found = Counter()
    for path, value in own_values(tree).items():
        found[tuple(clean(frame) for frame in path)] += value
    return found


@given(st.one_of(trees, hostile_trees))
@example(hierarchy(columns([Span(1, 1, 0, "tool.a;b\n9", 0, 1, 3), Span(1, 2, 1, "", 0, 1, 4)])))
def test_folded_stacks_can_be_read_back(tree):
    lines = list(to_folded(tree))
    found = Counter()
    for line in lines:
        assert len(line.splitlines()) == 1
        path, _, value = line.rpartition(" ")
        found[tuple(path.split(";"))] += int(value)
    assert found == cleaned(tree, lambda frame: one_line(frame).replace(";", ":"))
    "".join(lines).encode()


@given(st.one_of(trees, hostile_trees))
def test_speedscope_opens_and_closes_every_frame(tree):
    document = json.loads(to_speedscope(tree, WALL))
    frames = [frame["name"] for frame in document["shared"]["frames"]]
    (profile,) = document["profiles"]
    assert (profile["type"], profile["unit"]) == ("evented", "nanoseconds")
    found, stack, at = Counter(), [], 0
    for event in profile["events"]:
        found[tuple(frames[frame] for frame in stack)[1:]] += event["at"] - at
        at = event["at"]
        if event["type"] == "O":
            stack.append(event["frame"])
        else:
            assert stack.pop() == event["frame"]
    assert not stack
    assert at == profile["endValue"] == tree.total[0]
    assert +found == cleaned(tree)


@given(st.one_of(trees, hostile_trees))
def test_d3_nests_the_tree(tree):
    found = []

    def walk(node, level):
        found.append((level, node["name"], node["value"]))
        for child in node["children"]:
            walk(child, level + 1)

    walk(json.loads(to_d3(tree)), 0)
    assert found == [(level, one_line(name), total) for level, name, total, _ in as_rows(tree)]


@given(st.one_of(trees, hostile_trees))
def test_pprof_holds_every_stack(tree):
    blob = to_pprof(tree, COST, start_ns=5, duration_ns=6)
    assert blob == to_pprof(tree, COST, start_ns=5, duration_ns=6)
    made = Profile.FromString(gzip.decompress(blob))
    text = list(made.string_table)
    assert text[0] == ""
    assert (made.time_nanos, made.duration_nanos) == (5, 6)
    assert [(text[t.type], text[t.unit]) for t in made.sample_type] == [("cost", "nUSD")]
    function = {each.id: text[each.name] for each in made.function}
    location = {each.id: function[each.line[0].function_id] for each in made.location}
    found = Counter()
    for sample in made.sample:
        (value,) = sample.value
        found[tuple(location[each] for each in reversed(sample.location_id))] += value
    assert found == cleaned(tree)


@given(st.one_of(trees, hostile_trees))
def test_a_picture_is_xml_and_nothing_is_drawn_outside_its_parent(tree):
    root = ET.fromstring(to_svg(tree, COST))
    name = "{http://www.w3.org/2000/svg}"
    assert not list(root.iter(f"{name}script"))
    bars = [bar.find(f"{name}rect").attrib for bar in root.iter(f"{name}g")]
    titles = [bar.find(f"{name}title").text for bar in root.iter(f"{name}g")]
    if tree.is_empty:
        assert bars == []
        return
    assert len(bars) == len(tree)  # none of these is too narrow
    for index, (bar, title) in enumerate(zip(bars, titles, strict=True)):
        left, right = float(bar["x"]), float(bar["x"]) + float(bar["width"])
        assert -0.02 <= left <= right <= WIDTH
        if index:
            parent = bars[tree.parent[index]]
            assert left >= float(parent["x"]) - 0.02
            assert right <= float(parent["x"]) + float(parent["width"]) + 0.02
        assert title.startswith(one_line(tree.names[tree.name[index]]))


@pytest.mark.parametrize("kind", PROFILE_TYPES, ids=[kind.name for kind in PROFILE_TYPES])
def test_nothing_can_be_encoded(kind):
    tree = empty_tree()
    assert to_levels(tree).total == 0
    assert list(to_folded(tree)) == []
    assert json.loads(to_speedscope(tree, kind))["profiles"][0]["endValue"] == 0
    assert json.loads(to_d3(tree)) == {"name": "total", "value": 0, "children": []}
    assert not Profile.FromString(gzip.decompress(to_pprof(tree, kind))).sample
    ET.fromstring(to_svg(tree, kind))
    assert to_diff_levels(diff(tree, tree)).total == 0


def test_the_deepest_tree_there_is_can_be_encoded():
    spans = [Span(1, i, i - 1, f"span.{i}", i, 9999 - i) for i in range(1, 2000)]
    tree = hierarchy(columns(spans))
    assert int(tree.depth.max()) == DEEPEST + 1
    assert nested_set(by_containment(to_levels(tree).names, to_levels(tree).levels)) == as_rows(
        tree
    )
    assert len(list(to_folded(tree))) == len(own_values(tree))
    text = to_d3(tree)
    assert (text.count("{"), text.count("}")) == (len(tree), len(tree))
    json.loads(to_speedscope(tree, COST))
    ET.fromstring(to_svg(tree, COST))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12_300_000, "nUSD", "$0.0123"),
        (2_500_000_000, "nUSD", "$2.50"),
        (1_234_567_000_000_000, "nUSD", "$1,234,567.00"),
        (1, "nUSD", "$0.000000001"),
        (1234, "tokens", "1,234 tokens"),
        (7, "count", "7"),
        (0, "nanoseconds", "0 nanoseconds"),
        (12_500_000, "nanoseconds", "12.5 ms"),
        (90_000_000_000, "nanoseconds", "1.5 min"),
    ],
)
def test_amounts_read_well(value, unit, text):
    assert amount(value, unit) == text


def test_levels_are_what_pyroscope_documents():
    tree = hierarchy(
        columns(
            [
                Span(1, 1, 0, "http.x", 0, 9, 1),
                Span(1, 2, 1, "llm.a", 0, 9, 5),
                Span(1, 3, 1, "llm.b", 0, 9, 3),
                Span(1, 4, 3, "tool.t", 0, 9, 2),
            ]
        )
    )
    encoded = to_levels(tree)
    assert isinstance(encoded, Levels)
    assert encoded.names == ("total", "http.x", "llm.a", "llm.b", "tool.t")
    assert [level.tolist() for level in encoded.levels] == [
        [0, 11, 0, 0],
        [0, 11, 1, 1],
        [1, 5, 5, 2, 0, 5, 3, 3],
        [9, 2, 2, 4],
    ]
    assert isinstance(to_diff_levels(diff(tree, tree)), DiffLevels)
