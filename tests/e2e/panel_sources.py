"""Ask a dashboard's queries as Grafana's data sources do, each over its own protocol."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from clickhouse_connect.driver.client import Client

from tests.support import grafana_queries as grafana
from tests.support.grafana_queries import Chosen, Query, TimeRange
from tests.support.prometheus import Prometheus
from tests.support.service import Service, http

# Grafana's Tempo data source asks Prometheus for it.
_SERVICE_GRAPH = "traces_service_graph_request_total"


@dataclass(frozen=True, slots=True)
class Scene:
    """What the data sources of a Grafana would reach."""

    prometheus: Prometheus
    clickhouse: Client
    service: Service


def ask(
    scene: Scene, dashboard: Mapping[str, Any], chosen: Chosen
) -> Iterator[tuple[Query, str, list[Any]]]:
    """Ask every query; give each with its error, if it failed, and its answer."""
    # Whole seconds, because a range query leaves out its last point when rounding goes against it.
    now = math.ceil(time.time())
    for query in grafana.queries(dashboard):
        within = grafana.time_range(query.time_from or dashboard["time"]["from"], now)
        try:
            yield query, "", _ASK[query.source](scene, query, chosen, within)
        except Exception as error:  # noqa: BLE001  # the list of all failures is the test's point
            yield query, str(error), []


def _ask_prometheus(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Any]:
    """Return the values of the answer; a missing exemplar is an empty answer, too."""
    step_s = within.step_s(query.min_interval)

    def filled(text: str) -> str:
        return grafana.promql(text, chosen, within, step_s)

    if "variable" in query.target:
        selector, label = grafana.label_values(filled(query.target["variable"]))
        answer = scene.prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": selector})
        return answer["data"]
    expr = filled(query.target["expr"])
    if query.target.get("exemplar") and not scene.prometheus.exemplars(
        expr, within.start, within.end
    ):
        return []
    if query.target.get("instant"):
        values = [sample.value for sample in scene.prometheus.query(expr, at=within.end)]
    else:
        series = scene.prometheus.query_range(expr, within.start, within.end, step_s)
        values = [value for one in series for _, value in one.points]
    return [value for value in values if not math.isnan(value)]


def _ask_clickhouse(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Any]:
    """Return the rows of the answer that say anything."""
    text = grafana.sql(query.target["rawSql"], chosen, within, within.step_s(query.min_interval))
    rows = scene.clickhouse.query(text).result_rows
    return [row for row in rows if any(value is not None for value in row)]


def _ask_pyroscope(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Any]:
    """Return the bars below the root of a flame graph, or the points of a series."""
    asked: dict[str, Any] = {
        "profileTypeID": query.target["profileTypeId"],
        "labelSelector": grafana.plain(query.target["labelSelector"], chosen),
        "start": str(round(within.start * 1000)),
        "end": str(round(within.end * 1000)),
    }
    if query.target["queryType"] == "metrics":
        asked |= {"groupBy": query.target["groupBy"], "step": within.step_s(query.min_interval)}
        answer = connect(scene, "SelectSeries", asked)
        return [point for series in answer.get("series", ()) for point in series["points"]]
    answer = connect(scene, "SelectMergeStacktraces", asked)
    return [level for level in answer.get("flamegraph", {}).get("levels", ())[1:] if level]


def _ask_tempo(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Any]:
    """Return the traces found, the spans of a trace, or the arrows of the service graph."""
    if query.target["queryType"] == "serviceMap":
        arrows = f"sum by (client, server) (rate({_SERVICE_GRAPH}[{within.seconds}s]))"
        return scene.prometheus.query(arrows, at=within.end)
    text = grafana.plain(query.target["query"], chosen)
    api = f"{scene.service.endpoints.api}/tempo/api"
    if re.fullmatch("[0-9a-f]+", text):
        answer = http(f"{api}/v2/traces/{text}", headers={"Accept": "application/protobuf"})
        assert answer.status == 200, answer.body
        return [answer.body] if answer.body else []
    if query.target.get("metricsQueryType") == "range":
        asked = {"q": text, "start": int(within.start), "end": int(within.end)}
        asked["step"] = f"{within.step_s(query.min_interval)}s"
        return get(f"{api}/metrics/query_range?{urlencode(asked)}")["series"]
    asked = {
        "q": text,
        "limit": query.target["limit"],
        "spss": query.target["spss"],
        "start": int(within.start),
        "end": int(within.end),
    }
    return get(f"{api}/search?{urlencode(asked)}")["traces"]


def get(url: str) -> Any:
    answer = http(url, headers={"Accept": "application/json"})
    assert answer.status == 200, answer.body
    return answer.json


def connect(scene: Scene, method: str, asked: Mapping[str, Any]) -> Any:
    url = f"{scene.service.endpoints.api}/pyroscope/querier.v1.QuerierService/{method}"
    answer = http(url, json.dumps(asked).encode(), {"Content-Type": "application/json"})
    assert answer.status == 200, answer.body
    return answer.json


_ASK: Mapping[str, Callable[[Scene, Query, Chosen, TimeRange], list[Any]]] = {
    "grafana-pyroscope-datasource": _ask_pyroscope,
    "tempo": _ask_tempo,
    "prometheus": _ask_prometheus,
    "grafana-clickhouse-datasource": _ask_clickhouse,
}
