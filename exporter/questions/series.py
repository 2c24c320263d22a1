"""Numbers over time (TraceQL metrics)."""

from __future__ import annotations

from collections.abc import Callable

from clickhouse.conditions import Beyond
from clickhouse.reads import series as reads
from clickhouse.reads.repeats import Repeats
from clickhouse.reads.session import ReadPool
from exporter.cancellation import Cancellation
from exporter.errors import WrongQueryError
from exporter.query.search import Exemplar, Series, SeriesSearch
from exporter.query.traceql.ast import Contrast, Filter, Measure, Metrics
from exporter.query.traceql.evaluate import Shown
from exporter.questions.contrast import contrast
from exporter.spans.schema import NANOSECONDS

_COMPUTED = {
    Measure.RATE: reads.Computed.COUNT,
    Measure.COUNT: reads.Computed.COUNT,
    Measure.SUM: reads.Computed.SUM,
    Measure.AVG: reads.Computed.AVG,
    Measure.MIN: reads.Computed.MIN,
    Measure.MAX: reads.Computed.MAX,
    Measure.QUANTILE: reads.Computed.QUANTILES,
    Measure.HISTOGRAM: reads.Computed.BUCKETS,
}
# What is 0, and not unknown, in a step that has no span.
_COUNTS = {Measure.RATE, Measure.COUNT, Measure.HISTOGRAM}

Labels = tuple[tuple[str, Shown], ...]


class SeriesQuestions:
    """Computes series of what is stored."""

    def __init__(self, pool: ReadPool, is_content: Callable[[str], bool]) -> None:
        self._pool = pool
        self._is_content = is_content
        self._repeats = Repeats()

    def series(self, asked: SeriesSearch, cancellation: Cancellation) -> list[Series]:
        """Return the series, sorted by their labels. A sample is of the step that it begins."""
        metrics, spans = asked.query.metrics, asked.query.spans
        if metrics is None or not isinstance(spans, Filter):
            raise WrongQueryError("a metrics query ends in | rate() or another function over time")
        step_ns = asked.step_ns or asked.end_ns - asked.start_ns
        steps = reads.Steps(start_ns=asked.start_ns, end_ns=asked.end_ns, step_ns=step_ns)
        with self._pool.session(cancellation) as session:
            once = self._repeats.may_be(session, steps.start_ns, steps.end_ns)
            if isinstance(metrics, Contrast):
                return contrast(session, spans, metrics, steps, self._is_content, once)
            question = reads.Asked(
                condition=spans.condition,
                beyond=Beyond(self._is_content, steps.start_ns, steps.end_ns),
                computed=_COMPUTED[metrics.measure],
                of=metrics.of.field if metrics.of else None,
                quantiles=metrics.quantiles,
                by=tuple(each.field for each in metrics.by),
                exemplars=asked.exemplars > 0,
                once=once,
            )
            points = reads.points(session, question, steps)
        return _series(points, metrics, steps, asked.exemplars)


def _series(
    points: list[reads.Point], metrics: Metrics, steps: reads.Steps, exemplars: int
) -> list[Series]:
    values: dict[Labels, dict[int, float]] = {}
    shown: dict[Labels, list[Exemplar]] = {}
    scale = NANOSECONDS / steps.step_ns if metrics.measure is Measure.RATE else 1.0
    for point in points:
        for number, labels in zip(point.values, _labels(point, metrics), strict=True):
            values.setdefault(labels, {})[point.step] = number * scale
            if point.exemplar is not None:
                trace_id, span_id, time_ns, value = point.exemplar
                found = Exemplar(trace_id=trace_id, span_id=span_id, time_ns=time_ns, value=value)
                shown.setdefault(labels, []).append(found)
    series = [
        Series(
            labels=labels,
            samples=tuple(
                (steps.start_ns + step * steps.step_ns, of_step.get(step, 0.0))
                for step in (range(steps.count) if metrics.measure in _COUNTS else sorted(of_step))
            ),
            exemplars=tuple(shown.get(labels, [])[:exemplars]),
        )
        for labels, of_step in values.items()
    ]
    return sorted(series, key=lambda each: [(name, str(value)) for name, value in each.labels])


def _labels(point: reads.Point, metrics: Metrics) -> list[Labels]:
    """Return the labels of each of a point's values."""
    by: Labels = tuple(
        (named.name, (label[0], label[1]))
        for named, label in zip(metrics.by, point.labels, strict=True)
    )
    if metrics.measure is Measure.QUANTILE:
        return [(*by, ("p", (repr(level), "double"))) for level in metrics.quantiles]
    if point.bucket is not None:
        return [(*by, ("__bucket", (repr(point.bucket), "double")))]
    return [by or (("__name__", (metrics.measure.value, "")),)]
