"""The answers of a panel's queries as data frames, the way Grafana's data sources make them.

A frame is JSON for `@grafana/data`: {"refId", "name", "fields": [{"name", "type", "values",
"labels", "config"}]}. Times are unix milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from tests.e2e.panel_sources import Scene, connect, get
from tests.pictures.fields import Frame, field
from tests.pictures.searches import spans_frame, traces_frame
from tests.support import grafana_queries as grafana
from tests.support.grafana_queries import Chosen, Query, TimeRange
from tests.support.prometheus import Sample, Series
from tests.support.pyroscope_frames import by_containment, nested_set, unit
from tests.support.service import http

_ARROWS = "sum by (client, server) (rate(traces_service_graph_request_total[{range}s]))"


def frames(
    scene: Scene, query: Query, chosen: Chosen, within: TimeRange, *, alone: bool
) -> list[Frame]:
    """Ask one query and give its frames; `alone` if its panel has no other."""
    found = _FRAMES[query.source](scene, query, chosen, within)
    if query.target.get("format") == "table" and not alone:
        found[0]["fields"][-1]["name"] = f"Value #{query.target['refId']}"
    return [{"refId": query.target["refId"], "name": ""} | frame for frame in found]


def _prometheus(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Frame]:
    step_s = within.step_s(query.min_interval)
    expr = grafana.promql(query.target["expr"], chosen, within, step_s)
    legend = query.target.get("legendFormat", "")
    if query.target.get("instant"):
        samples = scene.prometheus.query(expr, at=within.end)
        if query.target["format"] == "table":
            return [_table_of(samples, within)]
        return [_one_series(s.labels, [(within.end, s.value)], legend) for s in samples]
    # The last point is of now; where one is missing, the line is broken.
    count = int((within.end - within.start) // step_s)
    times = [within.end - step_s * at for at in range(count, -1, -1)]
    found = scene.prometheus.query_range(expr, times[0], times[-1], step_s)
    if query.target["format"] == "heatmap":
        return [_heatmap(found, times)]
    return [_one_series(one.labels, _on(times, one), legend) for one in found]


def _on(times: Sequence[float], series: Series) -> list[tuple[float, float | None]]:
    found = dict(series.points)
    return [(at, found.get(at)) for at in times]


def _one_series(
    labels: Mapping[str, str], points: Iterable[tuple[float, float | None]], legend: str
) -> Frame:
    points = list(points)
    name = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)
    if legend == "__auto":
        name = ", ".join(labels.values())
    config = {"displayNameFromDS": name} if name else {}
    return {
        "name": name,
        "fields": [
            field("Time", "time", [at * 1000 for at, _ in points]),
            field("Value", "number", [value for _, value in points], labels, config),
        ],
    }


def _table_of(samples: Sequence[Sample], within: TimeRange) -> Frame:
    names = sorted({name for sample in samples for name in sample.labels})
    return {
        "fields": [
            field("Time", "time", [within.end * 1000 for _ in samples]),
            *(field(n, "string", [sample.labels.get(n, "") for sample in samples]) for n in names),
            field("Value", "number", [sample.value for sample in samples]),
        ]
    }


def _heatmap(found: Sequence[Series], times: Sequence[float]) -> Frame:
    """Buckets from the lowest, each without those below it."""
    buckets = sorted(found, key=lambda one: float(one.labels["le"]))
    below = [0.0] * len(times)
    fields = [field("Time", "time", [at * 1000 for at in times])]
    for bucket in buckets:
        values = [value or 0.0 for _, value in _on(times, bucket)]
        own = [max(value - less, 0.0) for value, less in zip(values, below, strict=True)]
        fields.append(field(bucket.labels["le"], "number", own))
        below = values
    return {"fields": fields}


def _clickhouse(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Frame]:
    text = grafana.sql(query.target["rawSql"], chosen, within, within.step_s(query.min_interval))
    found = scene.clickhouse.query(text)
    if not found.result_rows:
        return []
    columns = {
        name: [row[at] for row in found.result_rows] for at, name in enumerate(found.column_names)
    }
    types = [kind.name for kind in found.column_types]
    fields = [
        field(name, _kind(kind), values)
        for (name, values), kind in zip(columns.items(), types, strict=True)
    ]
    if query.target["queryType"] == "timeseries":
        return [_wide(fields)]
    return [{"fields": fields}]


def _kind(clickhouse_type: str) -> str:
    inner = re.sub(r"\b(Nullable|LowCardinality)\(", "", clickhouse_type)
    if inner.startswith("Date"):
        return "time"
    return "number" if re.match("U?Int|Float|Decimal", inner) else "string"


def _wide(fields: Sequence[Frame]) -> Frame:
    """One time, and a field for each value of each combination of the texts."""
    [time] = [one for one in fields if one["type"] == "time"]
    texts = [one for one in fields if one["type"] == "string"]
    times = sorted(set(time["values"]))
    place = {at: index for index, at in enumerate(times)}
    found: dict[tuple[str, ...], list[Any]] = {}
    for one in fields:
        if one["type"] != "number":
            continue
        for row, value in enumerate(one["values"]):
            key = (one["name"], *(text["values"][row] for text in texts))
            found.setdefault(key, [None] * len(times))[place[time["values"][row]]] = value
    names = [text["name"] for text in texts]
    return {
        "fields": [
            time | {"values": times},
            *(
                field(key[0], "number", values, dict(zip(names, key[1:], strict=True)))
                for key, values in found.items()
            ),
        ]
    }


def _pyroscope(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Frame]:
    kind = query.target["profileTypeId"]
    asked: dict[str, Any] = {
        "profileTypeID": kind,
        "labelSelector": grafana.plain(query.target["labelSelector"], chosen),
        "start": str(round(within.start * 1000)),
        "end": str(round(within.end * 1000)),
    }
    if query.target["queryType"] == "metrics":
        asked |= {"groupBy": query.target["groupBy"], "step": within.step_s(query.min_interval)}
        return [_profile_series(one) for one in connect(scene, "SelectSeries", asked)["series"]]
    graph = connect(scene, "SelectMergeStacktraces", asked)["flamegraph"]
    levels = [np.array(level["values"], dtype=np.int64) for level in graph["levels"]]
    columns = zip(*nested_set(by_containment(graph["names"], levels)), strict=True)
    level, label, value, own = (list(column) for column in columns)
    shown = {"unit": unit(kind)}
    return [
        {
            "fields": [
                field("level", "number", level),
                field("value", "number", value, config=shown),
                field("self", "number", own, config=shown),
                field("label", "string", label),
            ]
        }
    ]


def _profile_series(series: Mapping[str, Any]) -> Frame:
    labels = {label["name"]: label["value"] for label in series.get("labels", ())}
    points = [(int(p["timestamp"]) / 1000, p.get("value", 0)) for p in series["points"]]
    return _one_series(labels, points, " ".join(labels.values()))


def _tempo(scene: Scene, query: Query, chosen: Chosen, within: TimeRange) -> list[Frame]:
    if query.target["queryType"] == "serviceMap":
        return _service_map(scene, within)
    text = grafana.plain(query.target["query"], chosen)
    api = f"{scene.service.endpoints.api}/tempo/api"
    if re.fullmatch("[0-9a-f]+", text):
        answer = http(f"{api}/traces/{text}", headers={"Accept": "application/protobuf"})
        assert answer.status == 200, answer.body
        return [_trace(TracesData.FromString(answer.body))]
    asked = {"q": text, "limit": query.target["limit"], "spss": query.target["spss"]}
    asked |= {"start": int(within.start), "end": int(within.end)}
    found = get(f"{api}/search?{urlencode(asked)}")["traces"]
    return [spans_frame(found) if query.target["tableType"] == "spans" else traces_frame(found)]


def _trace(data: TracesData) -> Frame:
    """One row for each span, parents first, children by their start."""
    spans: list[tuple[str, Span]] = []
    for resource in data.resource_spans:
        service = next(
            (a.value.string_value for a in resource.resource.attributes if a.key == "service.name"),
            "",
        )
        spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
    known = {span.span_id for _, span in spans}
    rows: list[tuple[int, str, Span]] = []

    def visit(parent: bytes, depth: int) -> None:
        below = [
            one
            for one in spans
            if (one[1].parent_span_id if one[1].parent_span_id in known else b"") == parent
        ]
        for service, span in sorted(below, key=lambda one: one[1].start_time_unix_nano):
            rows.append((depth, service, span))
            visit(span.span_id, depth + 1)

    visit(b"", 0)
    first = min(span.start_time_unix_nano for _, _, span in rows)
    return {
        "fields": [
            field("depth", "number", [depth for depth, _, _ in rows]),
            field("service", "string", [service for _, service, _ in rows]),
            field("name", "string", [span.name for _, _, span in rows]),
            field("start", "number", [(s.start_time_unix_nano - first) / 1e6 for *_, s in rows]),
            field(
                "duration",
                "number",
                [(s.end_time_unix_nano - s.start_time_unix_nano) / 1e6 for *_, s in rows],
            ),
            field("failed", "number", [int(s.status.code == 2) for *_, s in rows]),
        ]
    }


def _service_map(scene: Scene, within: TimeRange) -> list[Frame]:
    arrows = scene.prometheus.query(_ARROWS.format(range=within.seconds), at=within.end)
    pairs = [(one.labels["client"], one.labels["server"]) for one in arrows]
    names = sorted({name for pair in pairs for name in pair})
    called = {name: sum(a.value for a in arrows if a.labels["server"] == name) for name in names}
    return [
        {
            "fields": [
                field("id", "string", names),
                field("title", "string", names),
                field(
                    "mainstat",
                    "number",
                    [called[n] for n in names],
                    config={"unit": "reqps", "decimals": 2},
                ),
            ]
        },
        {
            "fields": [
                field("id", "string", [f"{client}_{server}" for client, server in pairs]),
                field("source", "string", [client for client, _ in pairs]),
                field("target", "string", [server for _, server in pairs]),
                field("mainstat", "number", [one.value for one in arrows]),
            ]
        },
    ]


_FRAMES: Mapping[str, Callable[[Scene, Query, Chosen, TimeRange], list[Frame]]] = {
    "prometheus": _prometheus,
    "grafana-clickhouse-datasource": _clickhouse,
    "grafana-pyroscope-datasource": _pyroscope,
    "tempo": _tempo,
}
