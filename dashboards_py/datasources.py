"""The data sources that dashboards and rules ask, as Grafana keeps them.

Two of them are this service itself, in the protocols of Tempo and Pyroscope, so stock Grafana needs
no plugin of ours. The one for ClickHouse is Grafana's own plugin, which has to be installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exporter.metrics import catalog

PROMETHEUS = "llmobs-prometheus"
TEMPO = "llmobs-tempo"
PYROSCOPE = "llmobs-pyroscope"
CLICKHOUSE = "llmobs-clickhouse"
ALERTMANAGER = "llmobs-alertmanager"

# The profile that the trace view draws inside each span.
_SPAN_PROFILE = "llm:cost:nUSD:llm:count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where Grafana reaches what it asks; empty: it has no such data source of ours."""

    observatory: str = ""
    prometheus: str = ""
    alertmanager: str = ""
    clickhouse: str = ""
    """host:port of the native protocol."""
    clickhouse_user: str = "grafana"
    clickhouse_password: str = ""
    clickhouse_database: str = "llm_observatory"
    scrape_interval: str = "15s"


def datasources(at: Addresses) -> dict[str, dict[str, Any]]:
    """Return the data sources whose address is known, by uid."""
    found: dict[str, dict[str, Any]] = {}
    if at.prometheus:
        found[PROMETHEUS] = _prometheus(at)
    if at.observatory:
        found[TEMPO] = _tempo(at)
        found[PYROSCOPE] = _source(
            "LLM flame graphs",
            "grafana-pyroscope-datasource",
            {"minStep": at.scrape_interval},
            f"{at.observatory.rstrip('/')}/pyroscope",
        )
    if at.clickhouse:
        found[CLICKHOUSE] = _clickhouse(at)
    if at.alertmanager:
        # Alerts come from Prometheus' rules; Grafana only shows them.
        settings = {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}
        found[ALERTMANAGER] = _source("LLM alerts", "alertmanager", settings, at.alertmanager)
    return found


def _source(name: str, kind: str, settings: dict[str, Any], url: str = "") -> dict[str, Any]:
    source: dict[str, Any] = {"name": name, "type": kind, "access": "proxy"}
    if url:
        source["url"] = url
    return {**source, "jsonData": settings}


def _prometheus(at: Addresses) -> dict[str, Any]:
    settings = {
        "httpMethod": "POST",
        "prometheusType": "Prometheus",
        # $__rate_interval is derived from it.
        "timeInterval": at.scrape_interval,
        "alertmanagerUid": ALERTMANAGER,
        # A dot on a latency panel opens the trace behind it.
        "exemplarTraceIdDestinations": [
            {"name": "trace_id", "datasourceUid": TEMPO, "urlDisplayLabel": "Open the trace"}
        ],
    }
    return _source("LLM metrics", "prometheus", settings, at.prometheus)


def _tempo(at: Addresses) -> dict[str, Any]:
    service = [{"key": "service.name", "value": catalog.SERVICE.name}]
    settings = {
        "nodeGraph": {"enabled": True},
        "serviceMap": {"datasourceUid": PROMETHEUS},
        # Draws the flame graph of a span's subtree inside the trace view.
        "tracesToProfiles": {
            "datasourceUid": PYROSCOPE,
            "profileTypeId": _SPAN_PROFILE,
            "tags": service,
        },
        "tracesToMetrics": {
            "datasourceUid": PROMETHEUS,
            "spanStartTimeShift": "-30m",
            "spanEndTimeShift": "30m",
            "tags": service,
            "queries": [
                {"name": "Requests of this service", "query": _rate(catalog.REQUESTS, "status")},
                {"name": "Cost of this service", "query": _rate(catalog.COST)},
            ],
        },
        # Both would need Tempo's gRPC streaming API.
        "streamingEnabled": {"search": False, "metrics": False},
    }
    return _source("LLM traces", "tempo", settings, f"{at.observatory.rstrip('/')}/tempo")


def _rate(metric: catalog.Metric, *labels: str) -> str:
    by = ", ".join((catalog.MODEL.name, *labels))
    return f"sum by ({by}) (rate({metric.sample_name}{{$__tags}}[$__rate_interval]))"


def _clickhouse(at: Addresses) -> dict[str, Any]:
    host, _, port = at.clickhouse.rpartition(":")
    settings = {
        "host": host or at.clickhouse,
        "port": int(port) if host else 9000,
        "protocol": "native",
        "secure": False,
        "username": at.clickhouse_user,
        "defaultDatabase": at.clickhouse_database,
        "defaultTable": "otel_traces",
        "traces": {
            "defaultDatabase": at.clickhouse_database,
            "defaultTable": "otel_traces",
            "otelEnabled": True,
            "otelVersion": "latest",
            "durationUnit": "nanoseconds",
        },
    }
    source = _source("LLM spans", "grafana-clickhouse-datasource", settings)
    if at.clickhouse_password:
        source["secureJsonData"] = {"password": at.clickhouse_password}
    return source
