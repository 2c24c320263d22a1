"""The Pyroscope API of a running service: what Grafana asks, and what it makes of the answers."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from exporter.api.pyroscope.messages import new
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import ERROR, NS, request, span
from tests.support.pyroscope import (
    COST,
    JSON,
    PROTO,
    PyroscopeApi,
    as_json,
    grafana_paths,
    profile,
    unpacked,
)
from tests.support.service import Service, running_service, store_url

# On a whole minute, so that it is clear which steps of a series the spans are in.
NOW_NS = time.time_ns() // (60 * NS) * (60 * NS) - 600 * NS
RANGE = {"start": str(NOW_NS // 10**6 - 60_000), "end": str(NOW_NS // 10**6 + 300_000)}
AGENT = "agent.planner"
ROOT = "http.POST /chat"


def chat(number: int, parent: int, trace: int, model: str, tokens: int, **of_span: Any) -> Any:
    called = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": tokens // 10,
    }
    return span(
        called, number=number, parent=parent, trace=trace, name=f"chat {model}", kind=3, **of_span
    )


def one_trace(trace: int, at_ns: int, tokens: int) -> list[Any]:
    """A request of 4 s: an agent for 3 s, in it two calls of 1 s at once, a tool that fails."""
    first = trace * 100
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    return [
        span({"http.route": "/chat"}, number=first, trace=trace, name="POST /chat", kind=2,
             start_ns=at_ns, duration_ns=4 * NS),
        span(agent, number=first + 1, parent=first, trace=trace, name="invoke_agent planner",
             start_ns=at_ns + NS // 2, duration_ns=3 * NS),
        chat(first + 2, first + 1, trace, "gpt-4o", tokens, start_ns=at_ns + NS),
        chat(first + 3, first + 1, trace, "gpt-4o-mini", tokens, start_ns=at_ns + NS),
        span(tool, number=first + 4, parent=first + 1, trace=trace, name="execute_tool search",
             start_ns=at_ns + 2 * NS, duration_ns=NS // 2, status=ERROR),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def stored(
    clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Three traces of release 1.4, three of 1.5 that use twice the tokens; one was sent twice."""
    directory = tmp_path_factory.mktemp("service")
    with running_service(directory, clickhouse_url=store_url(clickhouse)) as service:
        for release, tokens in (("1.4", 1000), ("1.5", 2000)):
            for number in range(3):
                trace = (1 if release == "1.4" else 4) + number
                sent = request(
                    *one_trace(trace, NOW_NS + number * 60 * NS, tokens),
                    resource={"service.name": "shop", "service.version": release},
                )
                assert service.export(sent).status == 200
                service.wait_until_stored(trace * 5)
        assert service.export(sent).status == 200
        service.wait_until_stored(7 * 5)
        yield service


@pytest.fixture(scope="module")
def api(stored: Service) -> PyroscopeApi:
    return PyroscopeApi(f"{stored.endpoints.api}/pyroscope")


def flame_graph(api: PyroscopeApi, name: str, selector: str = "{}", **more: Any) -> Any:
    answer = api.ask(
        "SelectMergeStacktraces",
        profileTypeID=profile(name),
        labelSelector=selector,
        **(RANGE | more),
    )
    return answer.get("flamegraph")


def own_cost(stored: Service, condition: str = "1") -> int:
    """Return what the rows say, in nano-dollars."""
    sql = f"SELECT sum(CostUsd) FROM otel_traces WHERE UsageRole = 'own' AND {condition}"
    return int(Decimal(stored.query(sql)[0][0]) * 10**9)


# Flame graphs -------------------------------------------------------------------------------


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


# Pages --------------------------------------------------------------------------------------


def test_pages_give_flame_graphs(api: PyroscopeApi, stored: Service) -> None:
    when = f"from={NOW_NS // 10**9 - 60}&until=now"
    query = quote(f'{COST}{{release="1.4"}}')
    want = own_cost(stored, "Release = '1.4'")
    page = api.get(f"render?query={query}&{when}").json
    assert page["flamebearer"]["numTicks"] == want
    assert page["flamebearer"]["names"][0] == "total"
    assert page["metadata"] == {
        "format": "single", "spyName": "", "sampleRate": 0, "units": "nUSD", "name": "cost",
    }  # fmt: skip
    folded = api.get(f"render?query={query}&{when}&format=collapsed").body.decode()
    assert sum(int(line.rpartition(" ")[2]) for line in folded.splitlines()) == want
    packed = api.get(f"render?query={query}&{when}&format=pprof").body
    read = new("google.v1.Profile").FromString(gzip.decompress(packed))
    assert sum(sample.value[0] for sample in read.sample) == want
    assert api.get(f"render?query={query}&{when}&format=dot").body.startswith(b"digraph")


def test_a_page_compares(api: PyroscopeApi, stored: Service) -> None:
    times = "".join(f"&{side}From=now-1h&{side}Until=now" for side in ("left", "right"))
    left, right = (quote(f'cost{{release="{release}"}}') for release in ("1.4", "1.5"))
    page = api.get(f"render-diff?leftQuery={left}&rightQuery={right}{times}").json
    assert page["leftTicks"] == own_cost(stored, "Release = '1.4'")
    assert page["rightTicks"] == own_cost(stored, "Release = '1.5'")
    assert page["metadata"]["format"] == "double"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("render?query=nonsense%7B%7D", id="unknown type"),
        pytest.param("render?query=cost&from=yesterday", id="time"),
        pytest.param("render?query=cost&max-nodes=-1", id="nodes"),
        pytest.param("render-diff?leftQuery=cost&rightQuery=tokens", id="two types"),
    ],
)
def test_a_page_that_cannot_be_made_says_why(api: PyroscopeApi, page: str) -> None:
    answer = api.get(page)
    assert answer.status == 400
    assert answer.json["code"] == "invalid_argument"


# Over time ----------------------------------------------------------------------------------


def series(api: PyroscopeApi, name: str, **more: Any) -> list[Any]:
    asked = {"profileTypeID": profile(name), "labelSelector": "{}", "step": 60, **RANGE} | more
    return api.ask("SelectSeries", **asked).get("series", [])


def total(found: list[Any]) -> float:
    return sum(point.get("value", 0) for one in found for point in one["points"])


@pytest.mark.parametrize("step", [15, 60, 120, 86_400], ids=lambda step: f"{step} s")
@pytest.mark.parametrize("group_by", [[], ["model"], ["model", "span_name"]], ids=len)
def test_a_series_adds_up_to_the_rows(
    api: PyroscopeApi, stored: Service, step: int, group_by: list[str]
) -> None:
    """From the usage by minute where that will do, else from spans."""
    # Bounds within a minute, too: the rest of it is read from the spans.
    for start, end in ((0, 0), (61_500, 181_200)):
        within = {"start": str(int(RANGE["start"]) + start), "end": str(int(RANGE["end"]) - end)}
        bounds = [int(within[name]) * 10**6 for name in ("start", "end")]
        found = series(api, "cost", step=step, groupBy=group_by, **within)
        column = "toUnixTimestamp64Nano(Timestamp)"
        want = own_cost(stored, f"{column} >= {bounds[0]} AND {column} < {bounds[1]}")
        assert want > 0
        assert total(found) == want
        times = [int(point["timestamp"]) for point in found[0]["points"]]
        assert times == sorted(set(times))
        assert times[-1] == int(within["end"])


@pytest.mark.parametrize("name", ["cost", "tokens_input", "calls", "errors", "wall", "work"])
def test_a_series_is_as_large_as_the_flame_graph(api: PyroscopeApi, name: str) -> None:
    found = grafana_paths(flame_graph(api, name, '{release="1.5"}'))
    assert total(series(api, name, labelSelector='{release="1.5"}')) == found[("total",)][0]


def test_a_point_stands_at_the_end_of_its_step(api: PyroscopeApi) -> None:
    (found,) = series(api, "calls", labelSelector='{release="1.4"}')
    points = [p for p in found["points"] if p.get("value")]
    ends = [NOW_NS // 10**6 + 60_000 * number for number in (1, 2, 3)]
    assert [int(point["timestamp"]) for point in points] == ends
    assert [point["value"] for point in points] == [2, 2, 2]


def test_series_have_their_labels_and_the_largest_come_first(api: PyroscopeApi) -> None:
    found = series(api, "cost", groupBy=["release", "model"])
    labels = [{pair["name"]: pair["value"] for pair in one["labels"]} for one in found]
    assert labels == [
        {"model": "gpt-4o", "release": "1.5"},
        {"model": "gpt-4o", "release": "1.4"},
        {"model": "gpt-4o-mini", "release": "1.5"},
        {"model": "gpt-4o-mini", "release": "1.4"},
    ]
    top = series(api, "cost", groupBy=["release", "model"], limit="1")
    assert top == found[:1]


def test_an_average_is_per_span(api: PyroscopeApi) -> None:
    (found,) = series(
        api, "tokens_input", aggregation="TIME_SERIES_AGGREGATION_TYPE_AVERAGE", step=3600
    )
    assert [point["value"] for point in found["points"] if point.get("value")] == [1500]


def test_an_exemplar_is_the_span_that_counts_most(api: PyroscopeApi) -> None:
    (found,) = series(api, "tokens_input", step=60, exemplarType="EXEMPLAR_TYPE_SPAN")
    shown = [exemplar for point in found["points"] for exemplar in point.get("exemplars", ())]
    assert [exemplar["value"] for exemplar in shown] == ["2000"] * 3
    first = shown[0]
    assert first["traceId"] == f"{4:032x}"
    assert first["spanId"] in {f"{402:016x}", f"{403:016x}"}
    again = flame_graph(api, "tokens_input", profileIdSelector=[first["profileId"]])
    assert grafana_paths(again)[("total",)][0] == 4000
    assert not any(p.get("exemplars") for p in series(api, "tokens_input")[0]["points"])


@pytest.mark.parametrize(
    ("by", "values"),
    [
        pytest.param("HEATMAP_QUERY_TYPE_SPAN", {1000: 6, 2000: 6}, id="spans"),
        pytest.param("HEATMAP_QUERY_TYPE_INDIVIDUAL", {2000: 3, 4000: 3}, id="traces"),
    ],
)
def test_a_heat_map_shows_how_values_are_spread(
    api: PyroscopeApi, by: str, values: dict[int, int]
) -> None:
    asked = {"profileTypeID": profile("tokens_input"), "labelSelector": "{}", "step": 60}
    (found,) = api.ask("SelectHeatmap", queryType=by, **asked, **RANGE)["series"]
    low, high = min(values), max(values)
    for slot in found["slots"]:
        bounds = slot["yMin"]
        # Grafana takes the next bound for a bucket's upper end: none may be left out.
        assert bounds == [low + (high - low) / 20 * n for n in range(20)]
        assert len(slot["counts"]) == 20
    counts = [sum(column) for column in zip(*(s["counts"] for s in found["slots"]), strict=True)]
    assert (counts[0], counts[-1]) == (values[low], values[high])
    assert sum(counts) == sum(values.values())


# Labels -------------------------------------------------------------------------------------


def test_grafana_finds_its_types_in_a_test_of_the_data_source(api: PyroscopeApi) -> None:
    """Grafana asks with a time in 1970, and splits an id at its colons."""
    found = api.ask("ProfileTypes", start="1000", end="4000")["profileTypes"]
    assert found[0]["ID"] == COST
    for one in found:
        parts = one["ID"].split(":")
        names = ("name", "sampleType", "sampleUnit", "periodType", "periodUnit")
        assert parts == [one[name] for name in names]
        assert "cpu" not in one["ID"]


def test_labels_are_those_that_spans_have(api: PyroscopeApi) -> None:
    names = api.ask("LabelNames", matchers=["{}"], **RANGE)["names"]
    assert {"service_name", "model", "release", "agent", "tool", "trace_id", "span_id"} <= set(
        names
    )
    assert not {"tenant", "feature"} & set(names)
    assert "__profile_type__" in names
    assert api.ask("LabelNames", start="1000", end="4000") == {}
    # Without a time: what there is.
    assert api.ask("LabelNames")["names"] == names


def test_values_are_those_that_matching_spans_have(api: PyroscopeApi) -> None:
    matchers = [f'{{__profile_type__="{COST}",release="1.4"}}']
    asked = {"matchers": matchers, **RANGE}
    assert api.ask("LabelValues", name="release", **asked) == {"names": ["1.4"]}
    assert api.ask("LabelValues", name="model", **asked)["names"] == ["gpt-4o", "gpt-4o-mini"]
    assert api.ask("LabelValues", name="__profile_type__", **asked) == {"names": [COST]}
    traces = api.ask("LabelValues", name="trace_id", **asked)["names"]
    assert traces == [f"{number:032x}" for number in (1, 2, 3)]
    assert api.ask("LabelValues", name="pod", **asked) == {}
    either = {"matchers": ['{release="1.4"}', f'{{trace_id="{5:032x}"}}'], **RANGE}
    assert api.ask("LabelValues", name="release", **either)["names"] == ["1.4", "1.5"]


def test_series_of_labels_are_what_drilldown_lists(api: PyroscopeApi) -> None:
    asked = {"labelNames": ["service_name", "__profile_type__"], **RANGE}
    found = api.ask("Series", matchers=[], **asked)["labelsSet"]
    labels = [{pair["name"]: pair["value"] for pair in one["labels"]} for one in found]
    assert {"service_name": "shop", "__profile_type__": COST} in labels
    ids = [t["ID"] for t in api.ask("ProfileTypes")["profileTypes"]]
    assert [one["__profile_type__"] for one in labels] == ids
    every = api.ask("Series", **RANGE)["labelsSet"]
    assert {"release", "model", "service_name"} <= {
        p["name"] for one in every for p in one["labels"]
    }


def test_statistics_say_what_is_stored(api: PyroscopeApi) -> None:
    found = api.ask("GetProfileStats")
    assert found["dataIngested"] is True
    assert int(found["oldestProfileTime"]) == NOW_NS // 10**6
    assert int(found["newestProfileTime"]) > int(found["oldestProfileTime"])
    query = f'{COST}{{release="1.4"}}'
    analysed = api.ask("AnalyzeQuery", query=query, **RANGE)
    assert analysed["queryImpact"]["totalQueriedSeries"] == "1"


# The protocol -------------------------------------------------------------------------------

REQUESTS: list[Any] = [
    pytest.param("ProfileTypes", {}, id="ProfileTypes"),
    pytest.param("LabelNames", {"matchers": ["{}"]}, id="LabelNames"),
    pytest.param("LabelValues", {"name": "model"}, id="LabelValues"),
    pytest.param("Series", {"label_names": ["model"]}, id="Series"),
    pytest.param("SelectMergeStacktraces", {}, id="SelectMergeStacktraces"),
    pytest.param("SelectMergeSpanProfile", {"span_selector": [f"{102:016x}"]},
                 id="SelectMergeSpanProfile"),
    pytest.param("SelectMergeProfile", {}, id="SelectMergeProfile"),
    pytest.param("SelectSeries", {"step": 60.0, "group_by": ["model"]}, id="SelectSeries"),
    pytest.param("SelectHeatmap", {"step": 60.0}, id="SelectHeatmap"),
    pytest.param("GetProfileStats", None, id="GetProfileStats"),
    pytest.param("AnalyzeQuery", {"query": COST}, id="AnalyzeQuery"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "fields"), REQUESTS)
def test_protobuf_and_json_say_the_same(
    api: PyroscopeApi, method: str, fields: dict[str, Any] | None
) -> None:
    package = "types" if method in {"LabelNames", "LabelValues", "GetProfileStats"} else "querier"
    asked = new(f"{package}.v1.{method}Request")
    if fields is not None:
        asked.start, asked.end = (int(RANGE[name]) for name in ("start", "end"))
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(asked, name).extend(value)
            else:
                setattr(asked, name, value)
        if method.startswith("Select"):
            asked.profile_typeID, asked.label_selector = COST, "{}"
    answer = f"{package}.v1.{method}Response"
    answer = "google.v1.Profile" if method == "SelectMergeProfile" else answer
    found = as_json(api.ask_proto(method, asked, answer))
    assert found
    assert found == api.ask(method, **as_json(asked))


def test_answers_are_compressed_for_those_who_take_it(api: PyroscopeApi) -> None:
    asked = json.dumps({"profileTypeID": COST, "labelSelector": "{}", **RANGE}).encode()
    asked_of_types = b"{}"
    plain = api.post("ProfileTypes", asked_of_types)
    packed = api.post("ProfileTypes", asked_of_types, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert unpacked(packed) == plain.body
    sent = {"Content-Encoding": "gzip"}
    found = api.post("SelectMergeStacktraces", gzip.compress(asked), headers=sent)
    assert found.body == api.post("SelectMergeStacktraces", asked).body


def test_what_a_client_adds_is_passed_over(api: PyroscopeApi) -> None:
    unknown_field = bytes([0x9A, 0x06, 0x01, 0x41])  # number 99, a text
    headers = {
        "Connect-Protocol-Version": "1",
        "Connect-Timeout-Ms": "30000",
        "Accept": "*/*; allow-utf8-labelnames=true",
    }
    assert api.post("ProfileTypes", unknown_field, PROTO, headers).status == 200
    found = api.post("ProfileTypes", b'{"later": 1}', f"{JSON}; charset=utf-8", headers)
    assert found.status == 200
    assert found.media == JSON


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "expected"),
    [
        pytest.param(b"\xff", PROTO, {}, (400, "invalid_argument"), id="no protobuf"),
        pytest.param(b"{", JSON, {}, (400, "invalid_argument"), id="no JSON"),
        pytest.param(b'{"start": "x"}', JSON, {}, (400, "invalid_argument"), id="wrong field"),
        pytest.param(b"\xff\xfe", JSON, {}, (400, "invalid_argument"), id="no text"),
        pytest.param(b"{}", JSON, {"Content-Encoding": "gzip"}, (400, "invalid_argument"),
                     id="no gzip"),
        pytest.param(b"{}", JSON, {"Content-Encoding": "br"}, (501, "unimplemented"),
                     id="other compression"),
        pytest.param(b"{}", JSON, {"Connect-Protocol-Version": "2"}, (400, "invalid_argument"),
                     id="other version"),
        pytest.param(b"{}", JSON, {"Connect-Timeout-Ms": "soon"}, (400, "invalid_argument"),
                     id="no time"),
        pytest.param(b"{}" + b" " * (1 << 20), JSON, {}, (429, "resource_exhausted"), id="large"),
        pytest.param(gzip.compress(b" " * (1 << 24)), JSON, {"Content-Encoding": "gzip"},
                     (429, "resource_exhausted"), id="large when unpacked"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(
    api: PyroscopeApi,
    body: bytes,
    content_type: str,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    answer = api.post("ProfileTypes", body, content_type, headers)
    assert (answer.status, answer.json["code"]) == expected
    assert answer.json["message"]
    assert answer.media == JSON


@pytest.mark.parametrize("form", ["application/grpc", "application/connect+proto", "text/plain"])
def test_other_protocols_are_told_what_to_send(api: PyroscopeApi, form: str) -> None:
    answer = api.post("ProfileTypes", b"", form)
    assert answer.status == 415
    assert answer.headers["Accept-Post"] == f"{PROTO}, {JSON}"


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("querier.v1.QuerierService", "SelectMergeNothing"),
        ("settings.v1.SettingsService", "Set"),
        ("settings.v1.RecordingRulesService", "ListRecordingRules"),
        ("vcs.v1.VCSService", "GithubApp"),
        ("adhocprofiles.v1.AdHocProfileService", "List"),
    ],
)
def test_what_is_not_served_is_unimplemented(api: PyroscopeApi, service: str, method: str) -> None:
    answer = api.post(method, b"{}", service=service)
    assert (answer.status, answer.json["code"]) == (501, "unimplemented")


def test_drilldown_finds_no_settings(api: PyroscopeApi) -> None:
    answer = api.post("Get", b"{}", service="settings.v1.SettingsService")
    assert (answer.status, answer.json) == (200, {})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"labelSelector": '{model="x"'}, '{model="x"\n          ^',
                     id="the place in a selector"),
        pytest.param({"labelSelector": '{colour="x"}'}, "unknown label colour",
                     id="unknown label"),
        pytest.param({"labelSelector": '{model=~"("}'}, "pattern", id="broken pattern"),
        pytest.param({"profileTypeID": "process_cpu:cpu:nanoseconds:cpu:nanoseconds"},
                     "unknown profile type", id="unknown type"),
        pytest.param({"start": "2", "end": "1"}, "before its start", id="time"),
        pytest.param({"traceIdSelector": ["xyz"]}, "32 hex digits", id="trace id"),
        pytest.param({"spanSelector": ["xyz"]}, "16 hex digits", id="span id"),
        pytest.param({"profileIdSelector": ["xyz"]}, "UUID", id="profile id"),
        pytest.param({"labelSelector": '{__group_by__="colour"}'}, "cannot group by colour",
                     id="unknown dimension"),
        pytest.param({"labelSelector": '{__group_by__=~"model"}'}, "write __group_by__",
                     id="dimension by pattern"),
        pytest.param({"profileTypeID": profile("calls"),
                      "labelSelector": '{__group_by__="token_type"}'}, "cost and tokens only",
                     id="calls have no token type"),
        pytest.param({"labelSelector": '{__profile_type__="other"}'}, "another than",
                     id="another type"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_wrong(
    api: PyroscopeApi, fields: dict[str, Any], message: str
) -> None:
    asked = {"profileTypeID": COST, "labelSelector": "{}", **RANGE} | fields
    status, code, said = api.refusal("SelectMergeStacktraces", **asked)
    assert (status, code) == (400, "invalid_argument"), said
    assert message in said


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        pytest.param("SelectSeries", {"step": 0}, "invalid_argument", id="no step"),
        pytest.param("SelectSeries", {"step": "NaN"}, "invalid_argument", id="step is no number"),
        pytest.param("SelectSeries", {"step": 0.001}, "invalid_argument", id="too many points"),
        pytest.param("SelectSeries", {"step": 60, "groupBy": ["pod"]}, "invalid_argument",
                     id="unknown label"),
        pytest.param("SelectMergeStacktraces", {"format": "PROFILE_FORMAT_TREE"}, "unimplemented",
                     id="Pyroscope's own form"),
        pytest.param("SelectMergeStacktraces",
                     {"stackTraceSelector": {"callSite": [{"name": "a"}]}}, "unimplemented",
                     id="call site"),
    ],
)  # fmt: skip
def test_a_question_that_is_not_answered_is_refused(
    api: PyroscopeApi, method: str, fields: dict[str, Any], code: str
) -> None:
    asked = {"profileTypeID": COST, "labelSelector": "{}", **RANGE} | fields
    assert api.refusal(method, **asked)[1] == code


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
