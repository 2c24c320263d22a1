"""What a panel asks: one class for each query language, as its data source wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dashboards_py.panels.style import CLICKHOUSE, PROMETHEUS, PYROSCOPE, TEMPO, Source

_REF_IDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Query(Protocol):
    """A query and where it goes."""

    @property
    def source(self) -> Source:
        """The data source."""
        ...

    @property
    def ref_id(self) -> str:
        """A name that the panel depends on, empty: any."""
        ...

    def target(self) -> dict[str, Any]:
        """The query as the data source reads it."""
        ...


@dataclass(frozen=True, slots=True)
class PromQL:
    """A Prometheus query: over the range, or at its end."""

    expr: str
    legend: str = ""
    instant: bool = False
    format: Literal["time_series", "table", "heatmap"] = "time_series"
    exemplars: bool = False
    ref_id: str = ""
    source: Source = PROMETHEUS

    def target(self) -> dict[str, Any]:
        """The query as the data source reads it."""
        return {
            "editorMode": "code",
            "exemplar": self.exemplars,
            "expr": self.expr,
            "format": self.format,
            "instant": self.instant,
            "legendFormat": self.legend or "__auto",
            "range": not self.instant,
        }


@dataclass(frozen=True, slots=True)
class SQL:
    """A query for Grafana's official ClickHouse data source."""

    text: str
    format: Literal["time_series", "table"] = "table"
    ref_id: str = ""
    source: Source = CLICKHOUSE

    def target(self) -> dict[str, Any]:
        """The query as the data source reads it."""
        number = 0 if self.format == "time_series" else 1
        kind = "timeseries" if self.format == "time_series" else "table"
        return {
            "editorType": "sql",
            "format": number,
            "pluginVersion": "4.20.0",
            "queryType": kind,
            "rawSql": self.text,
        }


@dataclass(frozen=True, slots=True)
class TraceQL:
    """A search for traces, one trace by its id, or with `metrics` a measure over time."""

    query: str
    table: Literal["traces", "spans"] = "traces"
    limit: int = 20
    metrics: bool = False
    ref_id: str = ""
    source: Source = TEMPO

    def target(self) -> dict[str, Any]:
        """The query as the data source reads it."""
        measured = {"metricsQueryType": "range"} if self.metrics else {}
        return {
            "filters": [],
            "limit": self.limit,
            "query": self.query,
            "queryType": "traceql",
            "spss": 10,
            "tableType": self.table,
            **measured,
        }


@dataclass(frozen=True, slots=True)
class ServiceMap:
    """Who calls whom, from the service graph's metrics."""

    ref_id: str = ""
    source: Source = TEMPO

    def target(self) -> dict[str, Any]:
        """The query as the data source reads it."""
        return {"queryType": "serviceMap", "serviceMapQuery": ""}


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of spans: a flame graph, or its total over time."""

    type_id: str
    selector: str = "{}"
    series: bool = False
    group_by: Sequence[str] = ()
    span_selector: Sequence[str] = ()
    ref_id: str = ""
    source: Source = PYROSCOPE

    def target(self) -> dict[str, Any]:
        """The query as the data source reads it."""
        return {
            "groupBy": list(self.group_by),
            "labelSelector": self.selector,
            "profileTypeId": self.type_id,
            "queryType": "metrics" if self.series else "profile",
            "spanSelector": list(self.span_selector),
        }


def targets(queries: Sequence[Query]) -> list[dict[str, Any]]:
    """Return the queries with their data sources and reference ids."""
    return [
        {
            **query.target(),
            "datasource": query.source.reference,
            "hide": False,
            "refId": query.ref_id or _REF_IDS[at],
        }
        for at, query in enumerate(queries)
    ]
