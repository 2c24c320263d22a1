"""Wall and work time, and traces that are odd: late, lost, doubled, circular, endless."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.query.flame.build import (
    DEEPER,
    DEEPEST,
    MISSING_PARENT,
    hierarchy,
)
from exporter.query.flame.lineage import lineage
from exporter.query.flame.profile_types import BY_NAME, flame_graph
from exporter.query.flame.subtree import subtree
from exporter.query.flame.wall import wall
from exporter.query.flame.work import work
from tests.support.flame import (
    Span,
    any_spans,
    check,
    columns,
    elapsed,
    own_values,
    wall_times,
    work_times,
)

TYPES = pytest.mark.parametrize("name", ["cost", "wall", "work"])


def all_of(spans: list[Span]) -> list[Span]:
    return [span._replace(value=1) for span in spans]


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
# The same span twice, many times over: the one with the children gets what is left over.
@example(
    [*[Span(2, 1, 0, "a", 0, 0)] * 20, *[Span(1, 1, 0, "b", 0, 3)] * 2, Span(1, 2, 1, "c", 0, 2)],
    False,
)
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


@TYPES
def test_times_beyond_reason_are_sound(name):
    ages = [Span(i, 1, 0, "a", 0, 2**63 - 1, 2**62) for i in range(1, 9)]
    tree = flame_graph(columns([*ages, Span(9, 1, 0, "b", 0, 7, 7)]), BY_NAME[name])
    check(tree)
    assert own_values(tree)[("b",)] == 7


def test_what_a_selector_leaves_out_keeps_its_frame_and_adds_nothing():
    spans = [
        Span(1, 1, 0, "http.x", 0, 9, 0),
        Span(1, 2, 1, "llm.g", 1, 4, 1),
        Span(1, 3, 1, "llm.h", 4, 8, 0),
    ]
    tree = flame_graph(columns(spans), BY_NAME["wall"])
    assert own_values(tree) == {("http.x", "llm.g"): 3}
    assert sorted(tree.names, key=itemgetter(0)) == ["http.x", "llm.g", "total"]
