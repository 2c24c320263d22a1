"""The service's metrics about itself as dashboards query them, and those of others that are used.

What there is stands in `exporter/metrics/own.py`; a test holds that against a running service.
"""

from __future__ import annotations

from exporter.metrics import own
from exporter.metrics.catalog import OUTCOME, REASON, Label, Metric, MetricType


def _labels(*names: str) -> tuple[Label, ...]:
    return tuple(Label(name, "", open=False) for name in names)


TRANSPORT, STAGE, TABLE, NAME, METRIC, VERSION = _labels(
    "transport", "stage", "table", "name", "metric", "version"
)
JOB, INSTANCE = _labels("job", "instance")
ALERT_NAME, ALERT_STATE, PRIORITY = _labels("alertname", "alertstate", "priority")

_LABELS = {
    label.name: label for label in (TRANSPORT, STAGE, TABLE, NAME, METRIC, VERSION, OUTCOME, REASON)
}


def _of(metric: own.OwnMetric) -> Metric:
    labels = tuple(_LABELS[name] for name in metric.labels)
    return Metric(metric.name, metric.type, metric.help, labels)


REQUESTS = _of(own.OTLP_REQUESTS)
RECEIVED_BYTES = _of(own.RECEIVED_BYTES)
SPANS = _of(own.SPANS)
ROWS = _of(own.ROWS)
OVERFLOW = _of(own.OVERFLOW)
STEP_DURATION = _of(own.STEP_DURATION)
INSERT_DURATION = _of(own.INSERT_DURATION)
SCRAPE_DURATION = _of(own.SCRAPE_DURATION)
QUEUE_REQUESTS = _of(own.QUEUE_REQUESTS)
QUEUE_BYTES = _of(own.QUEUE_BYTES)
HELD_SPANS = _of(own.HELD_SPANS)
BUFFER_SPANS = _of(own.BUFFER_SPANS)
BUFFER_BYTES = _of(own.BUFFER_BYTES)
SERIES = _of(own.SERIES)
BUILD_INFO = _of(own.BUILD_INFO)

OWN: tuple[Metric, ...] = (
    REQUESTS,
    RECEIVED_BYTES,
    SPANS,
    ROWS,
    OVERFLOW,
    STEP_DURATION,
    INSERT_DURATION,
    SCRAPE_DURATION,
    QUEUE_REQUESTS,
    QUEUE_BYTES,
    HELD_SPANS,
    BUFFER_SPANS,
    BUFFER_BYTES,
    SERIES,
    BUILD_INFO,
)

# What Prometheus itself and client libraries provide.
UP = Metric("up", MetricType.GAUGE, "1 while the target answers.", (JOB, INSTANCE))
ALERTS = Metric(
    "ALERTS", MetricType.GAUGE, "1 for each alert.", (ALERT_NAME, ALERT_STATE, PRIORITY)
)
MEMORY = Metric(
    "process_resident_memory_bytes", MetricType.GAUGE, "Memory in use.", (JOB, INSTANCE)
)
CPU = Metric("process_cpu_seconds", MetricType.COUNTER, "CPU time spent.", (JOB, INSTANCE))

FOREIGN: tuple[Metric, ...] = (UP, ALERTS, MEMORY, CPU)
# The job that deploy/prometheus/prometheus.yml gives the service.
SERVICE_JOB = "llm-observatory"
