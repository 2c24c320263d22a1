"""The metrics that are not of the workload, in the form that `promql` takes.

The service's own are declared in `exporter/metrics/own.py`, other programs' in `foreign.py`.
"""

from __future__ import annotations

from dashboards_py import foreign
from exporter.metrics import own
from exporter.metrics.catalog import Label, Metric, MetricType


def _labels(*names: str) -> tuple[Label, ...]:
    return tuple(Label(name, "", open=False) for name in names)


def _own(metric: own.OwnMetric) -> Metric:
    return Metric(metric.name, metric.type, metric.help, _labels(*metric.labels))


REQUESTS, RECEIVED_BYTES = _own(own.OTLP_REQUESTS), _own(own.RECEIVED_BYTES)
SPANS, ROWS, OVERFLOW = _own(own.SPANS), _own(own.ROWS), _own(own.OVERFLOW)
STEP_DURATION, INSERT_DURATION = _own(own.STEP_DURATION), _own(own.INSERT_DURATION)
QUESTION_DURATION, QUESTION_PAUSE = _own(own.QUESTION_DURATION), _own(own.QUESTION_PAUSE)
SCRAPE_DURATION, INGEST_LAG = _own(own.SCRAPE_DURATION), _own(own.INGEST_LAG)
QUEUE_BYTES, QUEUE_LIMIT = _own(own.QUEUE_BYTES), _own(own.QUEUE_LIMIT)
BUFFER_BYTES, BUFFER_LIMIT = _own(own.BUFFER_BYTES), _own(own.BUFFER_LIMIT)
HELD_SPANS, BUFFER_SPANS = _own(own.HELD_SPANS), _own(own.BUFFER_SPANS)
SERIES, BUILD_INFO = _own(own.SERIES), _own(own.BUILD_INFO)
PRICE_LIST_NEWEST = _own(own.PRICE_LIST_NEWEST)
OWN: tuple[Metric, ...] = tuple(_own(metric) for metric in own.OWN_METRICS)

(TRANSPORT,) = RECEIVED_BYTES.labels
(STAGE,) = STEP_DURATION.labels
ROUTE = QUESTION_DURATION.labels[0]
(METRIC,) = SERIES.labels
(VERSION,) = BUILD_INFO.labels
TABLE = INSERT_DURATION.labels[0]

# What Prometheus itself and client libraries provide.
JOB, INSTANCE = _labels("job", "instance")
ALERT_NAME, ALERT_STATE, PRIORITY, SEVERITY = _labels(
    "alertname", "alertstate", "priority", "severity"
)
UP = Metric(foreign.UP.name, MetricType.GAUGE, foreign.UP.meaning, (JOB, INSTANCE))
ALERTS = Metric(
    "ALERTS", MetricType.GAUGE, "1 for each alert.", (ALERT_NAME, ALERT_STATE, PRIORITY, SEVERITY)
)
MEMORY = Metric(
    "process_resident_memory_bytes", MetricType.GAUGE, "Memory in use.", (JOB, INSTANCE)
)
CPU = Metric("process_cpu_seconds", MetricType.COUNTER, "CPU time spent.", (JOB, INSTANCE))
FOREIGN: tuple[Metric, ...] = (UP, ALERTS, MEMORY, CPU)
# The job that deploy/prometheus/prometheus.yml gives the service.
SERVICE_JOB = "llm-observatory"
