"""A trace as a waterfall: every span once, below its parent, and where its time went."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.query.waterfall import placed, waterfall

Spec = tuple[str, str, int, int]


def record(span_id: str, parent: str, start: int, duration: int) -> dict[str, Any]:
    texts = dict.fromkeys(
        (
            *("SpanName", "ServiceName", "SpanKind", "SpanClass", "Operation", "Provider"),
            *("Model", "Agent", "Tool", "SpanStatus", "ErrorType", "Outcome", "UsageRole"),
            *("UsageSource", "CostSource", "UnpricedReason"),
        ),
        "",
    )
    return texts | {
        "SpanId": span_id,
        "ParentSpanId": parent,
        "StartNs": start,
        "DurationNs": duration,
        "TimeToFirstToken": None,
        "Tokens": 0,
        "CostUsd": None,
    }


def records(*specs: Spec) -> list[dict[str, Any]]:
    """Return records in the order of their starts, as the store gives them."""
    return sorted((record(*spec) for spec in specs), key=lambda r: (r["StartNs"], r["SpanId"]))


def shape(*specs: Spec) -> list[tuple[str, int, int]]:
    """Return id, depth and critical time of each span, in the order drawn."""
    some = records(*specs)
    return [
        (some[place.position]["SpanId"], place.depth, place.critical_ns) for place in placed(some)
    ]


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        pytest.param([("a", "", 0, 10)], [("a", 0, 10)], id="one span"),
        pytest.param(
            [("a", "", 0, 10), ("b", "a", 1, 3), ("c", "a", 5, 4)],
            [("a", 0, 3), ("b", 1, 3), ("c", 1, 4)],
            id="one after another",
        ),
        pytest.param(
            [("a", "", 0, 10), ("b", "a", 1, 8), ("c", "a", 2, 3)],
            [("a", 0, 2), ("b", 1, 8), ("c", 1, 0)],
            id="the shorter of two at once delays nobody",
        ),
        pytest.param(
            [("a", "", 0, 10), ("b", "a", 8, 90)],
            [("a", 0, 8), ("b", 1, 2)],
            id="a child that outlasts its parent counts inside it only",
        ),
        pytest.param(
            [("a", "", 0, 4), ("b", "", 6, 4)],
            [("a", 0, 4), ("b", 0, 4)],
            id="two roots with a gap",
        ),
        pytest.param([("a", "gone", 0, 4)], [("a", 0, 4)], id="the parent is not stored"),
        pytest.param(
            [("a", "b", 0, 4), ("b", "a", 0, 4), ("c", "a", 1, 2)],
            [("a", 0, 0), ("b", 1, 4), ("c", 1, 0)],
            id="a loop is cut open at its first span",
        ),
        pytest.param([("a", "a", 0, 4)], [("a", 0, 4)], id="its own parent"),
    ],
)
def test_shapes(specs: list[Spec], expected: list[tuple[str, int, int]]) -> None:
    assert shape(*specs) == expected


SPANS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=20
).map(
    lambda some: records(
        *(
            (f"{at}", f"{parent}" if parent < 18 else "", start, duration)
            for at, (parent, start, duration) in enumerate(some)
        )
    )
)


@given(SPANS)
def test_every_span_is_drawn_once_below_its_parent(some: list[dict[str, Any]]) -> None:
    places = placed(some)
    assert sorted(place.position for place in places) == list(range(len(some)))
    above: list[str] = []
    for place in places:
        assert place.depth <= len(above)
        del above[place.depth :]
        if place.depth:
            assert some[place.position]["ParentSpanId"] == above[-1]
        above.append(some[place.position]["SpanId"])


@given(SPANS)
def test_the_critical_path_is_never_longer_than_its_spans_or_the_trace(
    some: list[dict[str, Any]],
) -> None:
    places = placed(some)
    for place in places:
        assert 0 <= place.critical_ns <= some[place.position]["DurationNs"]
    elapsed = max(r["StartNs"] + r["DurationNs"] for r in some) - some[0]["StartNs"]
    assert sum(place.critical_ns for place in places) <= elapsed


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40))))
def test_below_one_root_that_spans_all_the_path_is_the_elapsed_time(
    length: int, below: list[tuple[int, int]]
) -> None:
    children = [
        (f"c{at:03}", "root", min(start, length), min(duration, length - min(start, length)))
        for at, (start, duration) in enumerate(below)
    ]
    places = placed(records(("root", "", 0, length), *children))
    assert sum(place.critical_ns for place in places) == length


def test_a_chain_of_ten_thousand_generations_is_drawn() -> None:
    chain = [(f"{at}", f"{at - 1}" if at else "", at, 20_000 - 2 * at) for at in range(10_000)]
    rows = waterfall([record(*spec) for spec in chain])
    assert [row.depth for row in rows] == list(range(10_000))
    assert sum(row.critical_s for row in rows) * 10**9 == 20_000


def test_usage_that_another_span_counts_is_not_shown_twice() -> None:
    counted = record("b", "a", 1, 1) | {"UsageRole": "own", "UsageSource": "reported", "Tokens": 5}
    repeated = record("a", "", 0, 3) | {
        "UsageRole": "rollup",
        "UsageSource": "reported",
        "Tokens": 5,
    }
    assert [row.tokens_total for row in waterfall([repeated, counted])] == [None, 5]


def test_no_spans_are_no_rows() -> None:
    assert waterfall([]) == []
