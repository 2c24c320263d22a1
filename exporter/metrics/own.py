"""Every metric that the service shows about itself, as data, for dashboards and alert rules.

The instruments are made in `exporter/telemetry.py` and `exporter/app.py`; a test scrapes a running
service and proves that this list and what it shows are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.metrics.catalog import MetricType


@dataclass(frozen=True, slots=True)
class OwnMetric:
    """One family, as Prometheus shows it."""

    name: str
    """Without the `_total` of a counter."""
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()

    @property
    def sample_name(self) -> str:
        """The name that a query uses: counters end in `_total`."""
        return f"{self.name}_total" if self.type is MetricType.COUNTER else self.name


_C, _G, _H = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM

OTLP_REQUESTS = OwnMetric(
    "llm_observatory_requests",
    _C,
    "OTLP requests by transport and outcome.",
    ("transport", "outcome"),
)
RECEIVED_BYTES = OwnMetric(
    "llm_observatory_received_bytes",
    _C,
    "Bytes of OTLP requests after decompression.",
    ("transport",),
)
SPANS = OwnMetric(
    "llm_observatory_spans",
    _C,
    "Spans by outcome: accepted, rejected or dropped, and why.",
    ("outcome", "reason"),
)
STEP_DURATION = OwnMetric(
    "llm_observatory_step_duration_seconds",
    _H,
    "Time of the stages of a processing step.",
    ("stage",),
)
INSERT_DURATION = OwnMetric(
    "llm_observatory_insert_duration_seconds",
    _H,
    "Time of an insert by table and outcome.",
    ("table", "outcome"),
)
ROWS = OwnMetric("llm_observatory_rows", _C, "Rows by table and outcome.", ("table", "outcome"))
SCRAPE_DURATION = OwnMetric(
    "llm_observatory_scrape_duration_seconds", _H, "Time to render /metrics."
)
QUESTION_DURATION = OwnMetric(
    "llm_observatory_question_duration_seconds",
    _H,
    "Time that questions ran, by route and outcome.",
    ("route", "outcome"),
)
QUESTION_PAUSE = OwnMetric(
    "llm_observatory_question_pause_seconds", _C, "Time that questions waited because spans did."
)
INGEST_LAG = OwnMetric(
    "llm_observatory_ingest_lag_seconds",
    _H,
    "Time from a span's end to its being counted: of each batch, the 99th percentile.",
)
QUEUE_REQUESTS = OwnMetric("llm_observatory_queue_requests", _G, "Requests that wait.")
QUEUE_BYTES = OwnMetric("llm_observatory_queue_size_bytes", _G, "Bytes of requests that wait.")
QUEUE_LIMIT = OwnMetric(
    "llm_observatory_queue_limit_bytes", _G, "Most bytes of requests that may wait."
)
HELD_SPANS = OwnMetric("llm_observatory_held_spans", _G, "Spans whose traces are given time.")
BUFFER_SPANS = OwnMetric("llm_observatory_buffer_spans", _G, "Spans that wait for ClickHouse.")
BUFFER_BYTES = OwnMetric("llm_observatory_buffer_size_bytes", _G, "Bytes of rows that wait.")
BUFFER_LIMIT = OwnMetric(
    "llm_observatory_buffer_limit_bytes", _G, "Most bytes of rows that may wait."
)
SERIES = OwnMetric(
    "llm_observatory_series", _G, "Label sets of each metric of the workload.", ("metric",)
)
OVERFLOW = OwnMetric(
    "llm_observatory_overflow",
    _C,
    "Label values and series counted as __overflow__, by label or metric.",
    ("name",),
)
BUILD_INFO = OwnMetric("llm_observatory_build_info", _G, "1, with the version.", ("version",))
PRICE_LIST_NEWEST = OwnMetric(
    "llm_observatory_price_list_newest_timestamp_seconds",
    _G,
    "Date of the newest price in force that the price list dates.",
)
ESTIMATE_METHOD = OwnMetric(
    "llm_observatory_estimate_method",
    _G,
    "1, with how texts of an encoding are counted.",
    ("encoding", "method"),
)
ESTIMATES = OwnMetric("llm_observatory_estimates", _C, "Calls estimated, by method.", ("method",))
BUDGET_READS = OwnMetric(
    "llm_observatory_budget_reads", _C, "Readings of the budgets, by outcome.", ("outcome",)
)

OWN_METRICS: tuple[OwnMetric, ...] = (
    OTLP_REQUESTS,
    RECEIVED_BYTES,
    SPANS,
    STEP_DURATION,
    INSERT_DURATION,
    ROWS,
    SCRAPE_DURATION,
    QUESTION_DURATION,
    QUESTION_PAUSE,
    INGEST_LAG,
    QUEUE_REQUESTS,
    QUEUE_BYTES,
    QUEUE_LIMIT,
    HELD_SPANS,
    BUFFER_SPANS,
    BUFFER_BYTES,
    BUFFER_LIMIT,
    SERIES,
    OVERFLOW,
    BUILD_INFO,
    PRICE_LIST_NEWEST,
    ESTIMATE_METHOD,
    ESTIMATES,
    BUDGET_READS,
)
