"""The flame core: whatever spans are sent, the tree is sound and nothing is lost."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import fields
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.query.flame.build import (
    DEEPER,
    DEEPEST,
    MISSING_PARENT,
    NOT_SET,
    dimensions,
    hierarchy,
)
from exporter.query.flame.diff import diff
from exporter.query.flame.fold import fold
from exporter.query.flame.lineage import lineage
from exporter.query.flame.profile_types import BY_ID, BY_NAME, DEFAULT, PROFILE_TYPES, flame_graph
from exporter.query.flame.spans import LARGEST_SUM, bounded
from exporter.query.flame.subtree import subtree
from exporter.query.flame.tree import FlameTree
from exporter.query.flame.wall import wall
from exporter.query.flame.work import work
from exporter.spans.schema import TOKEN_KINDS
from tests.support.flame import (
    Span,
    any_spans,
    check,
    columns,
    elapsed,
    family,
    own_values,
    paths,
    wall_times,
    work_times,
)

TYPES = pytest.mark.parametrize("name", ["cost", "wall", "work"])


def same(left: FlameTree, right: FlameTree) -> bool:
    return left.names == right.names and all(
        np.array_equal(getattr(left, field.name), getattr(right, field.name))
        for field in fields(FlameTree)
    )


def all_of(spans: list[Span]) -> list[Span]:
    return [span._replace(value=1) for span in spans]


@given(any_spans, st.integers(1, 5), st.booleans())
def test_values_are_added_up_by_path(spans, deepest, few):
    if few:
        spans = [span._replace(value=span.value // 5) for span in spans]
    tree = hierarchy(columns(spans), deepest=deepest)
    check(tree)
    assert own_values(tree) == paths(spans, deepest)


@TYPES
@given(spans=any_spans)
def test_the_root_is_the_sum_over_the_traces(name, spans):
    traces = {span.trace for span in spans}
    each = [
        flame_graph(columns([s for s in spans if s.trace == trace]), BY_NAME[name])
        for trace in traces
    ]
    whole = flame_graph(columns(spans), BY_NAME[name])
    check(whole)
    assert whole.total[0] == sum(int(tree.total[0]) for tree in each)
    added = Counter()
    for tree in each:
        added.update(own_values(tree))
    assert own_values(whole) == added


@given(any_spans)
def test_wall_width_is_the_time_in_which_something_ran(spans):
    spans = all_of(spans)
    expected = sum(
        elapsed(span for span in spans if span.trace == trace)
        for trace in {span.trace for span in spans}
    )
    assert flame_graph(columns(spans), BY_NAME["wall"]).total[0] == expected


def by_span(spans: list[Span], values: np.ndarray) -> dict[Span, list[int]]:
    found = defaultdict(list)
    for span, value in zip(spans, values.tolist(), strict=True):
        found[span].append(value)
    return {span: sorted(some) for span, some in found.items()}


@given(any_spans, st.booleans())
# A span beyond its parent takes the time of the one above, too.
@example([Span(1, 1, 0, "a", 0, 10), Span(1, 2, 1, "b", 0, 2), Span(1, 3, 2, "c", 4, 8)], False)
# Three at a time: what is left over goes to the root.
@example([Span(1, 1, 0, "a", 0, 10), *(Span(1, i, 1, "b", 0, 10) for i in (2, 3, 4))], False)
def test_wall_time_belongs_to_the_deepest_running_spans_in_equal_parts(spans, far):
    if far:  # so far that a trace and a time do not fit into one number
        spans = [*spans, Span(99, 1, 0, "a", 0, 2**63 - 1)]
    oracle = wall_times(spans)
    assert by_span(spans, wall(columns(spans))) == by_span(
        [span for span, _ in oracle], np.array([value for _, value in oracle])
    )


@given(any_spans)
def test_work_time_is_what_children_leave_over(spans):
    oracle = work_times(spans)
    assert by_span(spans, work(columns(spans))) == by_span(
        [span for span, _ in oracle], np.array([value for _, value in oracle])
    )


@TYPES
@given(spans=any_spans, random=st.randoms(), words=st.lists(st.sampled_from("zxa")))
def test_the_order_of_the_input_makes_no_difference(name, spans, random, words):
    shuffled = list(spans)
    random.shuffle(shuffled)
    kind = BY_NAME[name]
    assert same(flame_graph(columns(spans), kind), flame_graph(columns(shuffled, words), kind))


@given(any_spans)
def test_a_tree_less_itself_is_nothing(spans):
    tree = hierarchy(columns(spans))
    both = diff(tree, tree)
    assert np.array_equal(both.left_self, both.right_self)
    assert np.array_equal(both.left_total, both.right_total)
    assert np.array_equal(both.left_total, tree.total)
    assert [both.names[n] for n in both.name] == [tree.names[n] for n in tree.name]


@given(any_spans, any_spans)
def test_a_diff_holds_both_trees(left, right):
    before, after = hierarchy(columns(left)), hierarchy(columns(right))
    both = diff(before, after)
    sides = [
        FlameTree(both.names, both.name, both.parent, both.depth, both.left_self, both.left_total),
        FlameTree(
            both.names, both.name, both.parent, both.depth, both.right_self, both.right_total
        ),
    ]
    assert [own_values(side) for side in sides] == [own_values(before), own_values(after)]
    assert [side.total[0] for side in sides] == [before.total[0], after.total[0]]
    check(
        FlameTree(
            both.names,
            both.name,
            both.parent,
            both.depth,
            both.left_self + both.right_self,
            both.left_total + both.right_total,
        )
    )


@given(any_spans, st.integers(0, 12), st.integers(0, 12))
def test_folding_keeps_the_sum_and_the_limit(spans, most, again):
    tree = hierarchy(columns(spans))
    folded = fold(tree, most)
    check(folded)
    assert folded.total[0] == tree.total[0]
    assert len(folded) <= max(most, 2)
    if "other" not in tree.names:
        # The next frame may need room for itself and for an "other" below it.
        assert len(folded) >= min(max(most, 2), len(tree)) - 1
    check(fold(folded, again))
    # What keeps its name keeps its total.
    kept = totals(tree)
    assert all(kept[path] == total for path, total in totals(folded).items() if "other" not in path)


def totals(tree: FlameTree) -> dict[tuple[str, ...], int]:
    lines, found = [], {}
    for index in range(len(tree)):
        above = lines[tree.parent[index]] if index else ()
        lines.append((*above, tree.names[tree.name[index]]))
        found[lines[-1]] = int(tree.total[index])
    return found


def test_folding_keeps_the_largest():
    spans = [Span(1, i, 0, f"llm.{i}", 0, 1, value=i) for i in range(1, 101)]
    folded = fold(hierarchy(columns(spans)), 5)
    assert own_values(folded) == {
        ("llm.98",): 98,
        ("llm.99",): 99,
        ("llm.100",): 100,
        ("other",): 97 * 98 // 2,
    }


@given(any_spans, st.integers(1, 9))
def test_a_subtree_is_a_span_and_all_below_it(spans, chosen):
    part = subtree(columns(spans), np.array([chosen], np.uint64))
    assert not lineage(part).missing.any()
    kept = [
        [above.span for above in (node, *node.ancestors())]
        for node in family(spans)
        if chosen in {above.span.span for above in (node, *node.ancestors())}
    ]
    expected = Counter()
    for line in kept:
        top = max(at for at, span in enumerate(line) if span.span == chosen)
        frames = [span.frame for span in line[top::-1]]
        path = tuple(frame for frame, before in zip(frames, ["", *frames], strict=False)
                     if frame != before)  # fmt: skip
        expected[path] += line[0].value
    assert own_values(hierarchy(part)) == {path: value for path, value in expected.items() if value}


def test_a_subtree_of_wall_time_is_as_wide_as_the_span():
    spans = columns(
        [
            Span(1, 1, 0, "http.x", 0, 100),
            Span(1, 2, 1, "agent.a", 10, 50),
            Span(1, 3, 1, "agent.b", 10, 50),
            Span(1, 4, 2, "llm.g", 20, 30),
        ]
    )
    part = flame_graph(subtree(spans, np.array([2], np.uint64)), BY_NAME["wall"])
    assert own_values(part) == {("agent.a",): 30, ("agent.a", "llm.g"): 10}


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 9)), max_size=30),
    st.permutations(["", "x", "total", "other"]),
)
def test_dimensions_are_levels(rows, words):
    first, second = ("p", "q", "p"), tuple(words)
    tree = dimensions(
        [np.array([row[at] for row in rows], np.int32) for at in (0, 1)],
        [first, second],
        np.array([row[2] for row in rows], np.int64),
    )
    check(tree)
    expected = Counter()
    for one, two, value in rows:
        expected[(first[one], second[two] or NOT_SET)] += value
    assert own_values(tree) == {path: value for path, value in expected.items() if value}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([], {}, id="no spans"),
        pytest.param([Span(1, 1, 0, "a", 5, 5)], {}, id="no time"),
        pytest.param([Span(1, 1, 0, "a", 9, 5)], {}, id="ends before it starts"),
        pytest.param(
            [Span(1, 1, 0, "a", 0, 4), Span(1, 2, 0, "b", 2, 6)],
            {("a",): 3, ("b",): 3},
            id="two roots share what they have in common",
        ),
        pytest.param(
            [Span(1, 1, 0, "a", 0, 4), Span(1, 2, 0, "b", 10, 16)],
            {("a",): 4, ("b",): 6},
            id="a gap belongs to nobody",
        ),
        pytest.param(
            [Span(1, 1, 0, "a", 0, 4), Span(1, 2, 1, "b", 2, 10)],
            {("a",): 2, ("a", "b"): 8},
            id="a child outlasts its parent",
        ),
        pytest.param(
            [Span(1, 1, 0, "a", 5, 10), Span(1, 2, 1, "b", 0, 7)],
            {("a",): 3, ("a", "b"): 7},
            id="a child starts before its parent",
        ),
        pytest.param(
            [Span(1, 1, 0, "a", 100, 110), Span(1, 2, 1, "b", 0, 5)],
            {("a",): 10, ("a", "b"): 5},
            id="another machine's clock is wrong",
        ),
        pytest.param([Span(1, 2, 1, "b", 0, 5)], {(MISSING_PARENT, "b"): 5}, id="no such parent"),
        pytest.param([Span(1, 1, 1, "a", 0, 5)], {(MISSING_PARENT, "a"): 5}, id="its own parent"),
        pytest.param(
            [Span(1, 1, 2, "a", 3, 9), Span(1, 2, 1, "b", 0, 5)],
            {(MISSING_PARENT, "b", "a"): 6, (MISSING_PARENT, "b"): 3},
            id="a circle",
        ),
        pytest.param(
            [Span(1, 1, 0, "a", 0, 6), Span(1, 1, 0, "b", 1, 6), Span(1, 2, 1, "c", 2, 6)],
            {("a",): 2, ("b",): 2, ("a", "c"): 2},
            id="of spans of one id the first has the children",
        ),
        pytest.param(
            [
                Span(1, 1, 0, "agent.a", 0, 9),
                Span(1, 2, 1, "agent.a", 1, 5),
                Span(1, 3, 2, "agent.a", 1, 4),
                Span(1, 4, 3, "llm.g", 2, 3),
            ],
            {("agent.a",): 8, ("agent.a", "llm.g"): 1},
            id="an agent calls itself",
        ),
    ],
)
def test_odd_traces(spans, expected):
    tree = flame_graph(columns(spans), BY_NAME["wall"])
    check(tree)
    assert own_values(tree) == expected


def test_the_example_in_the_documentation():
    spans = columns(
        [
            Span(1, 1, 0, "http.POST /chat", 0, 100),
            Span(1, 2, 1, "tool.search", 10, 50),
            Span(1, 3, 2, "llm.gpt-4o", 20, 40),
            Span(1, 4, 1, "tool.fetch", 10, 90),
        ]
    )
    request = "http.POST /chat"
    assert own_values(flame_graph(spans, BY_NAME["wall"])) == {
        (request,): 20,
        (request, "tool.search"): 10,
        (request, "tool.search", "llm.gpt-4o"): 10,
        (request, "tool.fetch"): 60,
    }
    assert own_values(flame_graph(spans, BY_NAME["work"])) == {
        (request, "tool.search"): 20,
        (request, "tool.search", "llm.gpt-4o"): 20,
        (request, "tool.fetch"): 80,
    }


def chain(length: int, frames: int) -> list[Span]:
    return [
        Span(1, i, i - 1, f"span.{i % frames}", i, 2 * length - i, 1) for i in range(1, length + 1)
    ]


@TYPES
def test_ten_thousand_generations_fit(name):
    spans = chain(10_000, 7)
    tree = flame_graph(columns(spans), BY_NAME[name])
    check(tree)
    assert int(tree.depth.max()) == DEEPEST + 1
    assert tree.names[tree.name[-1]] == DEEPER
    # A chain runs from the first start to the first end: no time is lost below the deepest level.
    assert tree.total[0] == {"cost": 10_000, "wall": 19_998, "work": 19_998}[name]


def test_one_value_below_ten_thousand_generations_keeps_its_path():
    spans = [span._replace(value=int(at == 9_999)) for at, span in enumerate(chain(10_000, 7))]
    tree = hierarchy(columns(spans), deepest=20_000)
    assert (int(tree.depth.max()), int(tree.total[0])) == (10_000, 1)


def test_ten_thousand_generations_of_one_agent_are_one_frame():
    tree = hierarchy(columns(chain(10_000, 1)))
    assert own_values(tree) == {("span.0",): 10_000}


def test_a_circle_of_ten_thousand_is_cut_at_its_first():
    spans = [
        Span(1, i, i % 10_000 + 1, f"span.{i % 3}", 5 - (i == 77), 6) for i in range(1, 10_001)
    ]
    found = lineage(columns(spans))
    assert np.flatnonzero(found.missing).tolist() == [76]
    assert np.flatnonzero(found.parent < 0).tolist() == [76]


def test_a_circle_of_ten_thousand_that_only_once_goes_back_in_time_is_cut():
    spans = [
        Span(1, i, i % 10_000 + 1, f"span.{i % 3}", 10_001 - i, 10_002) for i in range(1, 10_001)
    ]
    found = lineage(columns(spans))
    assert np.flatnonzero(found.missing).tolist() == [9_999]
    assert np.flatnonzero(found.parent < 0).tolist() == [9_999]


def test_ten_thousand_spans_that_each_start_after_their_parent_are_sound():
    spans = [Span(1, i, i - 1, f"span.{i % 9}", 3 * i, 3 * i + 5) for i in range(1, 10_001)]
    tree = flame_graph(columns(spans), BY_NAME["wall"])
    check(tree)
    assert tree.total[0] == 3 * 9_999 + 5


def test_different_spans_with_one_search_key_stay_different():
    spread = 0x9E3779B97F4A7C15
    other = (5 + (7 - 8) * spread) % 2**64  # trace 7 and span 5, trace 8 and this, have one key
    spans = [
        Span(7, 5, 0, "a", 0, 9),
        Span(7, 6, 5, "b", 1, 2),
        Span(8, other, 0, "c", 0, 9),
        Span(8, 6, other, "d", 1, 2),
        Span(9, 1, 5, "e", 0, 1),
    ]
    assert own_values(hierarchy(columns(spans))) == {
        ("a",): 1,
        ("a", "b"): 1,
        ("c",): 1,
        ("c", "d"): 1,
        (MISSING_PARENT, "e"): 1,
    }
    # A parent that is not there is not found by its key either.
    spans = [Span(7, 5, 0, "a", 0, 9), Span(8, 6, other, "d", 1, 2)]
    assert own_values(hierarchy(columns(spans))) == {("a",): 1, (MISSING_PARENT, "d"): 1}


@given(st.lists(st.integers(-5, 2**63 - 1), max_size=20))
def test_sums_never_overflow(values):
    values = np.array(values, np.int64)
    cut = bounded(values)
    total = sum(cut.tolist())
    assert total <= LARGEST_SUM
    assert (cut >= 0).all()
    if sum(max(value, 0) for value in values.tolist()) < LARGEST_SUM * 0.999:
        assert np.array_equal(cut, np.maximum(values, 0))
    else:
        assert total >= LARGEST_SUM * 0.99
    # Only the largest are cut, all to one level.
    assert len(set(cut[cut != np.maximum(values, 0)].tolist())) <= 1


@TYPES
def test_times_beyond_reason_are_sound(name):
    ages = [Span(i, 1, 0, "a", 0, 2**63 - 1, 2**62) for i in range(1, 9)]
    tree = flame_graph(columns([*ages, Span(9, 1, 0, "b", 0, 7, 7)]), BY_NAME[name])
    check(tree)
    assert own_values(tree)[("b",)] == 7


def test_profile_types_keep_what_pyroscope_and_grafana_ask_of_ids():
    assert DEFAULT.id == "llm:cost:nUSD:llm:count"
    for kind in PROFILE_TYPES:
        assert len(kind.id.split(":")) == 5
        assert "cpu" not in kind.id  # Grafana would take it for the default
    assert len(BY_ID) == len(BY_NAME) == len(PROFILE_TYPES)


def test_every_profile_type_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "flame-graphs.md").read_text()
    listed = re.findall(r"^\| `(llm:[^`]+)`", text, re.MULTILINE)
    assert listed == [kind.id for kind in PROFILE_TYPES]


def test_the_kinds_of_tokens_are_all_tokens():
    kinds = [kind.columns for kind in PROFILE_TYPES if kind.name.startswith("tokens_")]
    assert sorted(column for some in kinds for column in some) == sorted(
        kind.column for kind in TOKEN_KINDS
    )
    assert sorted(BY_NAME["tokens"].columns) == sorted(kind.column for kind in TOKEN_KINDS)


def test_what_a_selector_leaves_out_keeps_its_frame_and_adds_nothing():
    spans = [
        Span(1, 1, 0, "http.x", 0, 9, 0),
        Span(1, 2, 1, "llm.g", 1, 4, 1),
        Span(1, 3, 1, "llm.h", 4, 8, 0),
    ]
    tree = flame_graph(columns(spans), BY_NAME["wall"])
    assert own_values(tree) == {("http.x", "llm.g"): 3}
    assert sorted(tree.names, key=itemgetter(0)) == ["http.x", "llm.g", "total"]
