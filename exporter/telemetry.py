"""What the service says about itself: OpenTelemetry instruments, shown on the same /metrics.

Names here are OpenTelemetry's; opentelemetry-exporter-prometheus adds units and `_total`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from time import perf_counter

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter import __version__

_PREFIX = "llm_observatory"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# From what a batching exporter takes to what an outage does.
_LAGS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14_400.0)

Reading = Callable[[], Iterable[tuple[float, dict[str, str]]]]


class Telemetry:
    """The instruments, and the registry that they and the workload's metrics are shown from."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        reader = PrometheusMetricReader(registry=self.registry, scope_info_enabled=False)
        durations = View(
            instrument_name=f"{_PREFIX}.*.duration",
            aggregation=ExplicitBucketHistogramAggregation(_SECONDS),
        )
        lags = View(
            instrument_name=f"{_PREFIX}.ingest.lag",
            aggregation=ExplicitBucketHistogramAggregation(_LAGS),
        )
        resource = Resource.create(
            {"service.name": "llm-observatory", "service.version": __version__}
        )
        self._provider = MeterProvider([reader], resource, views=[durations, lags])
        self._meter = self._provider.get_meter(_PREFIX)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

        counter = self._meter.create_counter
        histogram = self._meter.create_histogram
        self.requests = counter(
            f"{_PREFIX}.requests", "{request}", "OTLP requests by transport and outcome."
        )
        self.received_bytes = counter(
            f"{_PREFIX}.received", "By", "Bytes of OTLP requests after decompression."
        )
        self.spans = counter(
            f"{_PREFIX}.spans",
            "{span}",
            "Spans by outcome: accepted, rejected or dropped, and why.",
        )
        self.step_duration = histogram(
            f"{_PREFIX}.step.duration", "s", "Time of the stages of a processing step."
        )
        self.insert_duration = histogram(
            f"{_PREFIX}.insert.duration", "s", "Time of an insert by table and outcome."
        )
        self.rows = counter(f"{_PREFIX}.rows", "{row}", "Rows by table and outcome.")
        self.scrape_duration = histogram(
            f"{_PREFIX}.scrape.duration", "s", "Time to render /metrics."
        )
        self.question_duration = histogram(
            f"{_PREFIX}.question.duration", "s", "Time that questions ran, by route and outcome."
        )
        self.question_pause = counter(
            f"{_PREFIX}.question.pause", "s", "Time that questions waited because spans did."
        )
        self.ingest_lag = histogram(
            f"{_PREFIX}.ingest.lag",
            "s",
            "Time from a span's end to its being counted: of each batch, the 99th percentile.",
        )

    def gauge(self, name: str, unit: str, description: str, read: Reading) -> None:
        """Show what `read` returns at each scrape: values with their labels."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, labels) for value, labels in read()]

        self._meter.create_observable_gauge(f"{_PREFIX}.{name}", [observe], unit, description)

    def counter(self, name: str, unit: str, description: str, read: Reading) -> None:
        """Show running totals that are kept elsewhere."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, labels) for value, labels in read()]

        self._meter.create_observable_counter(f"{_PREFIX}.{name}", [observe], unit, description)

    def asked(self, route: str, outcome: str, paused_s: float, ran_s: float) -> None:
        """Count a question that is over."""
        self.question_duration.record(ran_s, {"route": route, "outcome": outcome})
        self.question_pause.add(paused_s)

    @contextmanager
    def timed(self, stage: str) -> Generator[None]:
        """Time one stage of a processing step."""
        start = perf_counter()
        try:
            yield
        finally:
            self.step_duration.record(perf_counter() - start, {"stage": stage})

    def shutdown(self) -> None:
        """Stop reading the instruments."""
        self._provider.shutdown()
