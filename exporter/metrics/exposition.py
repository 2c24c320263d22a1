"""Show the observer's numbers to prometheus_client, and render a scrape."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from exporter.metrics.observe import Observer
from exporter.metrics.series import CounterSeries, Exemplars, HistogramSeries


class WorkloadCollector(Collector):
    """The workload's metrics for a prometheus_client registry."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def describe(self) -> list[Family]:
        """Return the families without samples: a registry checks their names."""
        tables = [*self._observer.counters.values(), *self._observer.histograms.values()]
        return [Family(t.metric.name, t.metric.help, t.metric.type) for t in tables]

    def collect(self) -> Iterator[Family]:
        """Yield every metric. Only the copies are made under the observer's lock."""
        self._observer.settle()
        with self._observer.lock:
            counters = [(s, s.snapshot()) for s in self._observer.counters.values()]
            histograms = [(s, s.snapshot()) for s in self._observer.histograms.values()]
        for series, (label_sets, totals) in counters:
            yield _counter(series, label_sets, totals.tolist())
        for series, (label_sets, counts, sums, exemplars) in histograms:
            yield _histogram(series, label_sets, counts.tolist(), sums.tolist(), exemplars)


def _counter(series: CounterSeries, label_sets: list[tuple[str, ...]], totals: list[int]) -> Family:
    metric = series.metric
    family = Family(metric.name, metric.help, "counter")
    names = [label.name for label in metric.labels]
    for values, total in zip(label_sets, totals, strict=True):
        labels = dict(zip(names, values, strict=True))
        exposed = total if series.scale == 1 else total / series.scale
        family.add_sample(metric.sample_name, labels, exposed)
    return family


def _histogram(
    series: HistogramSeries,
    label_sets: list[tuple[str, ...]],
    counts: list[list[int]],
    sums: list[float],
    exemplars: Exemplars,
) -> Family:
    metric = series.metric
    family = Family(metric.name, metric.help, "histogram")
    names = [label.name for label in metric.labels]
    bounds = [*(floatToGoString(bound) for bound in metric.buckets_s), "+Inf"]
    trace_ids, span_ids = exemplars.trace_ids.tolist(), exemplars.span_ids.tolist()
    observed, times = exemplars.values_s.tolist(), exemplars.times_s.tolist()
    for row, values in enumerate(label_sets):
        labels = dict(zip(names, values, strict=True))
        for bucket, bound in enumerate(bounds):
            exemplar = None
            if trace_ids[row][bucket]:
                ids = {
                    "trace_id": trace_ids[row][bucket].decode(),
                    "span_id": span_ids[row][bucket].decode(),
                }
                exemplar = Exemplar(ids, observed[row][bucket], times[row][bucket])
            family.add_sample(
                f"{metric.name}_bucket",
                {**labels, "le": bound},
                counts[row][bucket],
                None,
                exemplar,
            )
        family.add_sample(f"{metric.name}_count", labels, counts[row][-1])
        family.add_sample(f"{metric.name}_sum", labels, sums[row])
    return family


@dataclass(frozen=True, slots=True)
class Scrape:
    """A rendered answer to a scrape."""

    body: bytes
    headers: dict[str, str]


def render(registry: CollectorRegistry, accept: str, accept_encoding: str) -> Scrape:
    """Render a registry in the format that the scraper asks for; slow, so off the event loop."""
    encoder, content_type = choose_encoder(accept)
    body = encoder(registry)
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if _accepts_gzip(accept_encoding):
        body = gzip.compress(body, compresslevel=1)
        headers["Content-Encoding"] = "gzip"
    return Scrape(body, headers)


def _accepts_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "").rstrip("0") not in {"q=", "q=0."}
    return False
