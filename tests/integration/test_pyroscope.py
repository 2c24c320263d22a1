"""Flame graphs of the Pyroscope API: what Grafana asks, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import NS, request, span
from tests.support.pyroscope import COST, PyroscopeApi, grafana_paths, profile
from tests.support.pyroscope_shop import AGENT, NOW_NS, RANGE, ROOT, flame_graph, own_cost, shop
from tests.support.service import Service, running_service, store_url


@pytest.fixture(scope="module")
def stored(
    clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with shop(clickhouse, tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def api(stored: Service) -> PyroscopeApi:
    return PyroscopeApi(f"{stored.endpoints.api}/pyroscope")


def test_the_cost_of_every_trace_adds_up_to_that_of_the_rows(
    api: PyroscopeApi, stored: Service
) -> None:
    found = grafana_paths(flame_graph(api, "cost"))
    large = own_cost(stored, "Model = 'gpt-4o'")
    small = own_cost(stored, "Model = 'gpt-4o-mini'")
    assert large > small > 0
    assert found == {
        ("total",): (large + small, 0),
        ("total", ROOT): (large + small, 0),
        ("total", ROOT, AGENT): (large + small, 0),
        ("total", ROOT, AGENT, "llm.gpt-4o"): (large, large),
        ("total", ROOT, AGENT, "llm.gpt-4o-mini"): (small, small),
    }


@pytest.mark.parametrize(
    ("name", "total"),
    [
        pytest.param("tokens", 6 * 2 * 1500 + 6 * 2 * 150, id="tokens of every kind"),
        pytest.param("tokens_input", 6 * 2 * 1500, id="input tokens"),
        pytest.param("tokens_output", 6 * 2 * 150, id="output tokens"),
        pytest.param("tokens_reasoning", 0, id="a kind that nobody used"),
        pytest.param("calls", 12, id="calls, once each"),
        pytest.param("errors", 6, id="errors, of the tools only"),
        pytest.param("wall", 6 * 4 * NS, id="wall time: what people waited"),
        # Root 1 s, agent 3 s less 2.5 s of its children, two calls of 1 s, a tool of 0.5 s.
        pytest.param("work", 6 * (1 * NS + NS // 2 + 2 * NS + NS // 2), id="work: parallel adds"),
    ],
)
def test_a_flame_graph_is_as_wide_as_all_that_was_counted(
    api: PyroscopeApi, name: str, total: int
) -> None:
    found = grafana_paths(flame_graph(api, name))
    assert sum(own for _, own in found.values()) == total
    assert found.get(("total",), (0, 0))[0] == total


def test_a_span_that_came_twice_is_drawn_once(api: PyroscopeApi, stored: Service) -> None:
    rows = stored.query("SELECT count(), uniqExact(TraceId, SpanId) FROM otel_traces")
    assert rows[0] == (35, 30)
    last = f'{{trace_id="{6:032x}"}}'
    assert grafana_paths(flame_graph(api, "wall", last))[("total",)] == (4 * NS, 0)
    assert grafana_paths(flame_graph(api, "errors", last))[("total",)] == (1, 0)


@pytest.mark.parametrize(
    ("selector", "condition"),
    [
        pytest.param('{release="1.4"}', "Release = '1.4'", id="equal"),
        pytest.param('{release!="1.4"}', "Release != '1.4'", id="not equal"),
        pytest.param('{model=~"gpt-4o-.*"}', "Model = 'gpt-4o-mini'", id="pattern"),
        pytest.param('{model!~"gpt-4o-.*"}', "Model = 'gpt-4o'", id="not the pattern"),
        pytest.param('{release="1.5",model="gpt-4o"}', "Release = '1.5' AND Model = 'gpt-4o'",
                     id="both"),
        pytest.param("", "1", id="no selector"),
        pytest.param(f'{{__profile_type__="{COST}"}}', "1", id="its own type"),
        pytest.param(f'{{span_id="{102:016x}"}}', f"SpanId = '{102:016x}'", id="one span"),
        pytest.param(f'{{trace_id=~"{2:032x}|{5:032x}"}}',
                     f"TraceId IN ('{2:032x}', '{5:032x}')", id="two traces"),
    ],
)  # fmt: skip
def test_a_selector_says_which_spans_count(
    api: PyroscopeApi, stored: Service, selector: str, condition: str
) -> None:
    found = grafana_paths(flame_graph(api, "cost", selector))
    assert found[("total",)][0] == own_cost(stored, condition)
    # The spans above those that count are the path to them.
    assert found[("total", ROOT, AGENT)][0] == found[("total",)][0]


def test_a_trace_is_found_whatever_the_time(api: PyroscopeApi, stored: Service) -> None:
    selector = f'{{trace_id="{2:032x}"}}'
    long_ago = {"start": "1000", "end": "4000"}
    want = own_cost(stored, f"TraceId = '{2:032x}'")
    found = grafana_paths(flame_graph(api, "cost", selector, **long_ago))
    assert found[("total",)][0] == want
    by_field = flame_graph(api, "cost", traceIdSelector=[f"{2:032x}"], **long_ago)
    assert grafana_paths(by_field) == found
    as_profile = flame_graph(
        api, "cost", profileIdSelector=["00000000-0000-0000-0000-000000000002"], **long_ago
    )
    assert grafana_paths(as_profile) == found


def test_a_trace_that_began_before_the_time_keeps_its_root(api: PyroscopeApi) -> None:
    # From between the start of the first trace's agent and that of its calls.
    cut = {"start": str(NOW_NS // 10**6 + 900), "end": str(NOW_NS // 10**6 + 1500)}
    found = grafana_paths(flame_graph(api, "calls", **cut))
    assert found[("total", ROOT, AGENT)] == (4, 0)


def test_a_span_shows_what_is_at_and_below_it(api: PyroscopeApi, stored: Service) -> None:
    """What the trace view asks for, with half a minute around the span."""
    agent, call = f"{101:016x}", f"{102:016x}"
    for span_id, top, condition in (
        (agent, AGENT, f"ParentSpanId = '{agent}'"),
        (call, "llm.gpt-4o", f"SpanId = '{call}'"),
    ):
        asked = {"profileTypeID": COST, "labelSelector": "{}", "spanSelector": [span_id], **RANGE}
        found = grafana_paths(api.ask("SelectMergeSpanProfile", **asked)["flamegraph"])
        assert found[("total", top)][0] == own_cost(stored, condition)
        assert {path[1] for path in found if len(path) > 1} == {top}
        same = flame_graph(api, "cost", spanSelector=[span_id])
        assert grafana_paths(same) == found


def test_nothing_found_is_an_empty_answer(api: PyroscopeApi) -> None:
    for nothing in ('{model="gpt-9"}', f'{{trace_id="{99:032x}"}}'):
        asked = {"profileTypeID": COST, "labelSelector": nothing, **RANGE}
        assert api.ask("SelectMergeStacktraces", **asked) == {}
        assert api.ask("SelectMergeProfile", **asked) == {}
        assert api.ask("SelectSeries", step=15, **asked) == {}
        assert api.ask("SelectHeatmap", step=15, **asked) == {}
    asked = {"profileTypeID": COST, "labelSelector": "{}", **RANGE}
    assert api.ask("SelectMergeSpanProfile", spanSelector=["f" * 16], **asked) == {}
    assert api.ask("SelectMergeStacktraces", **(asked | {"start": "1000", "end": "4000"})) == {}


@pytest.mark.parametrize(
    ("name", "group_by", "paths"),
    [
        pytest.param("calls", "release,model",
                     {("1.4",): 6, ("1.4", "gpt-4o"): 3, ("1.4", "gpt-4o-mini"): 3,
                      ("1.5",): 6, ("1.5", "gpt-4o"): 3, ("1.5", "gpt-4o-mini"): 3}, id="calls"),
        pytest.param("tokens", "token_type, release",
                     {("input",): 18000, ("input", "1.4"): 6000, ("input", "1.5"): 12000,
                      ("output",): 1800, ("output", "1.4"): 600, ("output", "1.5"): 1200},
                     id="tokens by their type"),
        pytest.param("wall", "agent,release",
                     {("planner",): 9 * NS, ("planner", "1.4"): 9 * NS // 2,
                      ("planner", "1.5"): 9 * NS // 2,
                      ("(not set)",): 15 * NS, ("(not set)", "1.4"): 15 * NS // 2,
                      ("(not set)", "1.5"): 15 * NS // 2},
                     id="time"),
    ],
)  # fmt: skip
def test_a_flame_graph_can_have_labels_for_levels(
    api: PyroscopeApi, name: str, group_by: str, paths: dict[tuple[str, ...], int]
) -> None:
    found = grafana_paths(flame_graph(api, name, f'{{__group_by__="{group_by}"}}'))
    assert {path[1:]: total for path, (total, _) in found.items() if path[1:]} == paths


def test_cost_by_token_type_adds_up(api: PyroscopeApi, stored: Service) -> None:
    found = grafana_paths(flame_graph(api, "cost", '{__group_by__="token_type"}'))
    assert found[("total",)][0] == own_cost(stored)
    assert set(found) == {("total",), ("total", "input"), ("total", "output")}


def test_small_frames_are_folded_and_nothing_is_lost(api: PyroscopeApi, stored: Service) -> None:
    for nodes in (2, 3, 4):
        found = grafana_paths(flame_graph(api, "cost", maxNodes=str(nodes)))
        assert len(found) <= nodes
        assert sum(own for _, own in found.values()) == own_cost(stored)


def test_releases_are_compared(api: PyroscopeApi, stored: Service) -> None:
    sides = [
        {"profileTypeID": COST, "labelSelector": f'{{release="{release}"}}', **RANGE}
        for release in ("1.4", "1.5")
    ]
    both = api.ask("Diff", left=sides[0], right=sides[1])["flamegraph"]
    costs = [own_cost(stored, f"Release = '{release}'") for release in ("1.4", "1.5")]
    assert [int(both["leftTicks"]), int(both["rightTicks"])] == costs
    assert costs[1] == 2 * costs[0]
    values = [int(value) for value in both["levels"][0]["values"]]
    assert values == [0, costs[0], 0, 0, costs[1], 0, 0]
    assert both["names"][0] == "total"
    same = api.ask("Diff", left=sides[0], right=sides[0])["flamegraph"]
    for level in same["levels"]:
        bars = [level["values"][at : at + 7] for at in range(0, len(level["values"]), 7)]
        assert all(bar[0:3] == bar[3:6] for bar in bars)


def test_other_forms_carry_the_same_sum(api: PyroscopeApi, stored: Service) -> None:
    asked = {"profileTypeID": COST, "labelSelector": "{}", **RANGE}
    want = own_cost(stored)
    pprof = api.ask("SelectMergeProfile", **asked)
    assert sum(int(sample["value"][0]) for sample in pprof["sample"]) == want
    nested = api.ask("SelectMergeStacktraces", format="PROFILE_FORMAT_PPROF", **asked)
    assert nested["pprof"]["profile"] == pprof
    dot = api.ask("SelectMergeStacktraces", format="PROFILE_FORMAT_DOT", **asked)["dot"]
    assert dot.startswith("digraph")
    assert f"0 of {want} nUSD (100.00%)" in dot


def test_a_limit_of_spans_is_an_error_that_says_what_to_do(
    clickhouse: ClickHouseServer, stored: Service, tmp_path: Path
) -> None:
    del stored
    settings = {"clickhouse_url": store_url(clickhouse), "flame_spans_max": 1000}
    with running_service(tmp_path, **settings) as service:
        traces = [span(number=n, trace=99, start_ns=NOW_NS, name="s") for n in range(1, 1200)]
        service.export(request(*traces))
        service.wait_until_stored(1199)
        api = PyroscopeApi(f"{service.endpoints.api}/pyroscope")
        asked = {"profileTypeID": profile("wall"), "labelSelector": "{}", **RANGE}
        status, code, message = api.refusal("SelectMergeStacktraces", **asked)
        assert (status, code) == (400, "invalid_argument")
        assert "more than 1000 spans: choose a shorter time" in message
