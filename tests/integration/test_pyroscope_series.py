"""Series, heat maps, labels and pages of the Pyroscope API."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from exporter.api.pyroscope.messages import new
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.pyroscope import COST, PyroscopeApi, grafana_paths, profile
from tests.support.pyroscope_shop import NOW_NS, RANGE, flame_graph, own_cost, shop
from tests.support.service import Service


@pytest.fixture(scope="module")
def stored(
    clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with shop(clickhouse, tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def api(stored: Service) -> PyroscopeApi:
    return PyroscopeApi(f"{stored.endpoints.api}/pyroscope")


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


@pytest.mark.parametrize(
    ("by", "name", "value"),
    [
        pytest.param("HEATMAP_QUERY_TYPE_SPAN", "tokens_input", 2000, id="spans"),
        pytest.param("HEATMAP_QUERY_TYPE_INDIVIDUAL", "tokens_input", 4000, id="traces"),
        pytest.param("HEATMAP_QUERY_TYPE_INDIVIDUAL", "wall", None, id="times of traces"),
    ],
)
def test_an_exemplar_of_a_heat_map_is_the_largest_of_its_step(
    api: PyroscopeApi, by: str, name: str, value: int | None
) -> None:
    asked = {"profileTypeID": profile(name), "labelSelector": "{}", "step": 60, "queryType": by}
    (found,) = api.ask("SelectHeatmap", exemplarType="EXEMPLAR_TYPE_SPAN", **asked, **RANGE)[
        "series"
    ]
    for slot in found["slots"]:
        (exemplar,) = slot["exemplars"]
        full = [bound for bound, count in zip(slot["yMin"], slot["counts"], strict=True) if count]
        assert float(exemplar["value"]) >= full[-1]
        assert value in {None, int(exemplar["value"])}
        again = grafana_paths(flame_graph(api, name, profileIdSelector=[exemplar["profileId"]]))
        if by == "HEATMAP_QUERY_TYPE_INDIVIDUAL":
            assert again[("total",)][0] == int(exemplar["value"])
        own = flame_graph(api, name, traceIdSelector=[exemplar["traceId"]])
        assert grafana_paths(own) == again
        assert len(exemplar["spanId"]) == 16
    (plain,) = api.ask("SelectHeatmap", **asked, **RANGE)["series"]
    assert not any(slot.get("exemplars") for slot in plain["slots"])


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
