"""The service's metrics about itself, as /metrics shows them, and those of others that are used.

`exporter/telemetry.py` and `exporter/app.py` make the instruments, under OpenTelemetry's names; the
names here are what Prometheus sees. A test holds each against a running service.
"""

from __future__ import annotations

from exporter.metrics.catalog import OUTCOME, REASON, Label, Metric, MetricType

_PREFIX = "llm_observatory"


def _labels(*names: str) -> tuple[Label, ...]:
    return tuple(Label(name, "", open=False) for name in names)


TRANSPORT, STAGE, TABLE, NAME, METRIC, VERSION = _labels(
    "transport", "stage", "table", "name", "metric", "version"
)
JOB, INSTANCE = _labels("job", "instance")
ALERT_NAME, ALERT_STATE, PRIORITY = _labels("alertname", "alertstate", "priority")


def _counter(name: str, help_text: str, *labels: Label) -> Metric:
    return Metric(f"{_PREFIX}_{name}", MetricType.COUNTER, help_text, labels)


def _histogram(name: str, help_text: str, *labels: Label) -> Metric:
    return Metric(f"{_PREFIX}_{name}_seconds", MetricType.HISTOGRAM, help_text, labels)


def _gauge(name: str, help_text: str, *labels: Label) -> Metric:
    return Metric(f"{_PREFIX}_{name}", MetricType.GAUGE, help_text, labels)


REQUESTS = _counter("requests", "OTLP requests by transport and outcome.", TRANSPORT, OUTCOME)
RECEIVED_BYTES = _counter("received_bytes", "Bytes of OTLP requests.", TRANSPORT)
SPANS = _counter("spans", "Spans by outcome, and why.", OUTCOME, REASON)
ROWS = _counter("rows", "Rows by table and outcome.", TABLE, OUTCOME)
OVERFLOW = _counter("overflow", "Values counted as __overflow__, by label or metric.", NAME)
STEP_DURATION = _histogram("step_duration", "Time of the stages of a step.", STAGE)
INSERT_DURATION = _histogram("insert_duration", "Time of an insert.", TABLE, OUTCOME)
SCRAPE_DURATION = _histogram("scrape_duration", "Time to render /metrics.")
QUEUE_REQUESTS = _gauge("queue_requests", "Requests that wait.")
QUEUE_BYTES = _gauge("queue_size_bytes", "Bytes of requests that wait.")
HELD_SPANS = _gauge("held_spans", "Spans whose traces are given time.")
BUFFER_SPANS = _gauge("buffer_spans", "Spans that wait for ClickHouse.")
BUFFER_BYTES = _gauge("buffer_size_bytes", "Bytes of rows that wait.")
SERIES = _gauge("series", "Label sets of each metric of the workload.", METRIC)
BUILD_INFO = _gauge("build_info", "1, with the version.", VERSION)

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
