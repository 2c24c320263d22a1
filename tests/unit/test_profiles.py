"""What is asked about profiles, and how rows become series, heat maps and flame graphs."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from clickhouse.reads.flame import Counted, Counting
from clickhouse.reads.profiles import SumsWanted, has_minutes
from exporter.api.pyroscope.messages import new
from exporter.errors import WrongQueryError
from exporter.query.flame.diff import diff
from exporter.query.flame.profile_types import BY_NAME, PROFILE_TYPES, flame_graph
from exporter.query.profiles.codes import combined, words_of
from exporter.query.profiles.dot import to_dot
from exporter.query.profiles.fold_diff import fold_diff
from exporter.query.profiles.request import (
    Selection,
    Time,
    profile_type,
    profile_types_of,
    selection_of,
    selection_of_any,
    time_of,
)
from exporter.query.profiles.series import (
    BUCKETS,
    Groups,
    Steps,
    groups_of_spans,
    heatmaps_of,
    series_of,
)
from exporter.query.profiles.spans import once, span_key
from exporter.spans.condition import (
    AllOf,
    AnyOf,
    AttributeField,
    ColumnField,
    Compare,
    Comparison,
    Condition,
    Not,
    Scope,
)
from tests.support.flame import Span, any_spans, columns

TRACE, OTHER_TRACE = "a" * 32, "b" * 32
MODEL = Compare(ColumnField("Model"), Comparison.EQUAL, "m")


# What is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param("", Selection(AllOf()), id="nothing"),
        pytest.param("{}", Selection(AllOf()), id="empty"),
        pytest.param('{model="m"}', Selection(AllOf((MODEL,))), id="label"),
        pytest.param(f'{{trace_id="{TRACE}",model="m"}}', Selection(AllOf((MODEL,)), (TRACE,)),
                     id="a trace"),
        pytest.param(f'{{trace_id="{TRACE.upper()}"}}', Selection(AllOf(), (TRACE,)),
                     id="a trace in capitals"),
        pytest.param(f'{{trace_id=~"({OTHER_TRACE}|{TRACE})"}}',
                     Selection(AllOf(), (TRACE, OTHER_TRACE)), id="traces of a variable"),
        pytest.param(f'{{trace_id="{TRACE}",trace_id="{OTHER_TRACE}"}}', Selection(AllOf(), ()),
                     id="no trace is two"),
        pytest.param('{trace_id!=""}',
                     Selection(AllOf((Compare(ColumnField("TraceId"), Comparison.NOT_EQUAL, ""),))),
                     id="any trace"),
        pytest.param('{__group_by__="feature, model"}',
                     Selection(AllOf(), dimensions=("feature", "model")), id="levels"),
    ],
)  # fmt: skip
def test_a_selector_is_read(selector: str, expected: Selection) -> None:
    assert selection_of(selector) == expected


def test_trace_ids_beside_a_selector_narrow_it_down() -> None:
    assert selection_of("{}", [TRACE]).trace_ids == (TRACE,)
    assert selection_of(f'{{trace_id="{TRACE}"}}', [OTHER_TRACE]).trace_ids == ()
    with pytest.raises(WrongQueryError, match="more than 100 trace ids"):
        selection_of("{}", [f"{number:032x}" for number in range(101)])


def test_of_several_selectors_one_must_hold() -> None:
    found = selection_of_any(['{model="m"}', f'{{trace_id="{TRACE}"}}'])
    trace = Compare(ColumnField("TraceId"), Comparison.EQUAL, TRACE)
    assert found.condition == AnyOf(
        (AllOf((AllOf((MODEL,)), AllOf())), AllOf((AllOf(), AnyOf((trace,)))))
    )
    assert selection_of_any([]) == Selection(AllOf())


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("{}", [kind.name for kind in PROFILE_TYPES]),
        ('{__profile_type__="llm:cost:nUSD:llm:count"}', ["cost"]),
        ('{__profile_type__=~"llm:cost:nUSD:llm:count|llm:calls:count:llm:count"}',
         ["cost", "calls"]),
        ('{__profile_type__=~".*"}', [kind.name for kind in PROFILE_TYPES]),
        ('{__profile_type__="memory:inuse_space:bytes:space:bytes"}', []),
        ('{__profile_type__!~".+"}', []),
    ],
)  # fmt: skip
def test_a_selector_can_name_profile_types(selector: str, names: list[str]) -> None:
    assert [kind.name for kind in profile_types_of(selection_of(selector))] == names


@pytest.mark.parametrize(
    "text", ["cost", "llm:cost:nUSD:llm:count", "llm:cost:nUSD:llm:count:delta"]
)
def test_a_profile_type_is_known_by_its_names(text: str) -> None:
    assert profile_type(text) is BY_NAME["cost"]


def test_times_stay_within_what_the_store_knows() -> None:
    assert time_of(1000, 4000) == Time(10**9, 4 * 10**9)
    assert time_of(-(2**63), 2**63 - 1) == time_of(0, 0)
    assert time_of(0, 0).end_ns < 2**63
    with pytest.raises(WrongQueryError):
        time_of(2, 1)


@pytest.mark.parametrize(
    ("counting", "condition", "columns_", "step_ns", "expected"),
    [
        (Counting.USAGE, AllOf((MODEL,)), ("Feature",), 60 * 10**9, True),
        (Counting.CALLS, Not(AnyOf((MODEL,))), (), None, True),
        (Counting.USAGE, AllOf(), ("SpanName",), None, False),
        (Counting.USAGE, AllOf(), (), 15 * 10**9, False),
        (Counting.USAGE, Compare(ColumnField("TraceId"), Comparison.EQUAL, TRACE), (), None, False),
        (Counting.USAGE, Compare(AttributeField(Scope.SPAN, "a"), Comparison.EQUAL, 1), (), None,
         False),
        (Counting.FAILURES, AllOf(), (), None, False),
    ],
)  # fmt: skip
def test_minutes_answer_what_they_know(
    counting: Counting,
    condition: Condition,
    columns_: tuple[str, ...],
    step_ns: int | None,
    expected: bool,
) -> None:
    wanted = SumsWanted(
        start_ns=0,
        end_ns=1,
        condition=condition,
        counted=(Counted(counting, ("CostUsd",)),),
        columns=columns_,
        step_ns=step_ns,
        rows_max=1,
    )
    assert has_minutes(wanted) is expected


# Columns ------------------------------------------------------------------------------------


@settings(deadline=None)  # the first example loads Arrow
@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", "", None])] * 3), min_size=1))
def test_combinations_are_those_of_the_rows(rows: list[tuple[str | None, ...]]) -> None:
    cut = len(rows) // 2
    found = [
        # Two chunks, whose dictionaries differ.
        words_of(
            pa.chunked_array(
                [
                    pa.array([row[n] for row in part], pa.string()).dictionary_encode()
                    for part in (rows[:cut], rows[cut:])
                ]
            )
        )
        for n in range(3)
    ]
    codes, combinations = combined(found)
    assert [combinations[code] for code in codes] == [tuple(w or "" for w in row) for row in rows]
    assert len(set(combinations)) == len(combinations)


def test_many_columns_of_many_words_can_be_combined() -> None:
    column = words_of(pa.chunked_array([[f"word {n}" for n in range(5000)]]))
    codes, combinations = combined([column] * 8)
    assert [combinations[code][7] for code in codes.tolist()] == list(column.words[:5000])


def test_no_rows_have_no_words() -> None:
    found = words_of(pa.chunked_array([], pa.string()))
    assert (len(found.codes), found.words) == (0, ())


def test_of_a_span_that_came_twice_the_row_that_counts_is_kept() -> None:
    table = pa.table(
        {
            "TraceKey": pa.array([1, 1, 2, 1], pa.uint64()),
            "SpanKey": pa.array([7, 8, 7, 7], pa.uint64()),
            "Value": pa.array([0, 1, 2, 5], pa.int64()),
        }
    )
    assert once(table)["Value"].to_pylist() == [1, 2, 5]
    assert once(table.slice(0, 3)).num_rows == 3


def test_a_span_id_is_the_number_that_the_store_makes_of_it() -> None:
    assert span_key("0102030405060708") == 0x0807060504030201


# Over time ----------------------------------------------------------------------------------

STEPS = Steps(Time(25, 58), 10)


def test_steps_stay_in_place_whatever_the_time() -> None:
    assert (STEPS.first, STEPS.last, len(STEPS)) == (2, 5, 4)
    wide = Steps(Time(20 * 10**6, 58 * 10**6), 10 * 10**6)
    assert wide.ends_ms().tolist() == [30, 40, 50, 58]
    assert len(Steps(Time(30, 30), 10)) == 1
    with pytest.raises(WrongQueryError, match="choose a longer step"):
        Steps(Time(0, 11_001), 1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.integers(2, 5), st.integers(0, 10**12), st.integers(1, 9)
        )
    )
)
def test_series_lose_nothing(rows: list[tuple[str, int, int, int]]) -> None:
    groups = Groups(
        (words_of(pa.chunked_array([pa.array([row[0] for row in rows], pa.string())])),),
        *(np.array([row[n] for row in rows], np.int64) for n in (1, 2, 3)),
    )
    found = series_of(groups, STEPS, average=False, limit=None)
    assert {one.words[0]: sum(one.values) for one in found} == {
        word: sum(row[2] for row in rows if row[0] == word) for word in {row[0] for row in rows}
    }
    totals = [sum(one.values) for one in found]
    assert totals == sorted(totals, reverse=True)
    means = series_of(groups, STEPS, average=True, limit=1)
    for one in means:
        # A mean has a point only where something was counted.
        assert len(one.values) == len({row[1] for row in rows if row[0] == one.words[0]})


@given(any_spans, st.booleans())
def test_heat_maps_show_every_value_once(spans: list, by_trace: bool) -> None:
    steps = Steps(Time(0, 30), 7)
    found = groups_of_spans(columns(spans), [], steps, by_trace=by_trace)
    counted = [span for span in spans if span.value > 0]
    assert found.value.sum() == sum(span.value for span in counted)
    size = len({span.trace for span in counted}) if by_trace else len(counted)
    assert len(found.value) == size
    maps = heatmaps_of(found, steps, limit=None)
    assert sum(sum(map(sum, one.counts)) for one in maps) == size
    assert all(len(one.bounds) == BUCKETS for one in maps)
    largest = {
        step: found.value[found.step == step].max() for step in sorted(set(found.step.tolist()))
    }
    for one in maps:
        assert found.value[list(one.most)].tolist() == list(largest.values())
        assert found.step[list(one.most)].tolist() == list(largest)


# Forms --------------------------------------------------------------------------------------


@given(any_spans, any_spans, st.integers(2, 12))
def test_a_folded_diff_loses_nothing_on_either_side(left: list, right: list, nodes: int) -> None:
    kind = BY_NAME["calls"]
    both = diff(flame_graph(columns(left), kind), flame_graph(columns(right), kind))
    folded = fold_diff(both, nodes)
    assert len(folded) <= max(nodes, 3)
    for side in ("left", "right"):
        assert getattr(folded, f"{side}_self").sum() == getattr(both, f"{side}_self").sum()
        totals, parent = getattr(folded, f"{side}_total"), folded.parent
        below = np.zeros(len(folded), np.int64)
        np.add.at(below, parent[1:], totals[1:])
        assert (totals == below + getattr(folded, f"{side}_self")).all()
    assert fold_diff(both, len(both)) is both


@given(any_spans)
def test_dot_has_a_node_for_each_frame_and_an_edge_for_each_child(spans: list) -> None:
    tree = flame_graph(columns(spans), BY_NAME["calls"])
    lines = to_dot(tree, BY_NAME["calls"]).splitlines()
    edges = [line for line in lines if " -> " in line]
    nodes = [line for line in lines if line.startswith("N") and line not in edges]
    assert (len(nodes), len(edges)) == (len(tree), len(tree) - 1)


def test_names_cannot_leave_their_quotes_in_dot() -> None:
    tree = flame_graph(columns([Span(1, 1, 0, 'a"]\nB [x="', 0, 1)]), BY_NAME["calls"])
    assert '\\"] B [x=\\"' in to_dot(tree, BY_NAME["calls"])


def test_messages_have_the_numbers_and_names_of_pyroscope() -> None:
    """As its generated client writes it; the client itself is asked in the integration tests."""
    asked = new(
        "querier.v1.SelectMergeStacktracesRequest",
        profile_typeID="a", label_selector="b", start=1, end=2, max_nodes=3, format=4,
        profile_id_selector=["c"], trace_id_selector=["d"], span_selector=["e"],
    )  # fmt: skip
    written = b"\x0a\x01a\x12\x01b\x18\x01\x20\x02\x28\x03\x30\x04\x42\x01c\x52\x01d\x5a\x01e"
    assert asked.SerializeToString(deterministic=True) == written
    level = new("querier.v1.Level", values=[0, 300, 1, 2])
    assert level.SerializeToString() == b"\x0a\x05\x00\xac\x02\x01\x02"
    names = json.loads(
        json_format.MessageToJson(new("types.v1.ProfileType", ID="x", sample_unit="y"))
    )
    assert names == {"ID": "x", "sampleUnit": "y"}


def test_parts_of_a_cost_are_read_from_spans_because_minutes_lack_estimates() -> None:
    wanted = SumsWanted(
        start_ns=0,
        end_ns=1,
        condition=AllOf(),
        counted=(Counted(Counting.USAGE, ("CostInputUsd",)),),
        rows_max=1,
    )
    assert not has_minutes(wanted)
