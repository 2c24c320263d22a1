"""Build PromQL from the catalogue: a label or a bucket that a metric lacks cannot be written."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards_py.foreign import ForeignMetric
from exporter.metrics.catalog import Metric
from exporter.metrics.own import OwnMetric

AnyMetric = Metric | OwnMetric | ForeignMetric

_UNITS = ((604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class ExpressionError(Exception):
    """An expression names what no metric has: a mistake in a rule or in a threshold."""


def duration(seconds: float) -> str:
    """Return a duration as PromQL writes it, in the largest unit that is exact."""
    if seconds != int(seconds):
        return f"{round(seconds * 1000)}ms"
    return next(f"{int(seconds) // size}{unit}" for size, unit in _UNITS if not seconds % size)


def labels_of(metric: AnyMetric) -> tuple[str, ...]:
    """Return the names of a metric's labels."""
    if isinstance(metric, Metric):
        return tuple(label.name for label in metric.labels)
    return metric.labels


def select(metric: AnyMetric, suffix: str = "", **match: str) -> str:
    """Return a selector; a value that starts with an operator (`!=`, `=~`, `!~`) keeps it."""
    name = f"{metric.name}{suffix}" if suffix else metric.sample_name
    known = (*labels_of(metric), *(("le",) if suffix == "_bucket" else ()))
    if unknown := sorted(set(match) - set(known)):
        raise ExpressionError(f"{name} has no label {', '.join(unknown)}")
    return name + braces(match)


def braces(match: dict[str, str]) -> str:
    """Return label matchers in braces, nothing for none."""
    if not match:
        return ""
    return "{" + ",".join(f"{name}{_operand(value)}" for name, value in match.items()) + "}"


def _operand(value: str) -> str:
    operator = next((o for o in ("=~", "!~", "!=") if value.startswith(o)), "=")
    return f'{operator}"{value.removeprefix(operator)}"'


def by(labels: Sequence[str], expr: str, function: str = "sum") -> str:
    """Return an aggregation that keeps these labels."""
    return f"{function} by ({', '.join(labels)}) ({expr})" if labels else f"{function}({expr})"


def rate(
    metric: AnyMetric, window_s: float, keep: Sequence[str], suffix: str = "", **match: str
) -> str:
    """Return the rate per second of a counter, summed over all but some labels."""
    _must_have(metric, keep)
    return by(keep, f"rate({select(metric, suffix, **match)}[{duration(window_s)}])")


def increase(
    metric: AnyMetric, window_s: float, keep: Sequence[str], suffix: str = "", **match: str
) -> str:
    """Return by how much a counter grew, summed over all but some labels."""
    _must_have(metric, keep)
    return by(keep, f"increase({select(metric, suffix, **match)}[{duration(window_s)}])")


def appeared(metric: AnyMetric, window_s: float, keep: Sequence[str], **match: str) -> str:
    """Return a counter's growth, that of a series counted in full which was not there before.

    `increase` does not see the first value of a series: one unpriced call would stay unseen.
    """
    _must_have(metric, keep)
    one = select(metric, **match)
    new = by(keep, f"{one} unless {one} offset {duration(window_s)}")
    return f"({new} > 0 or {increase(metric, window_s, keep, **match)} > 0)"


def under(metric: Metric, bound_s: float) -> dict[str, str]:
    """Return the matcher of the bucket with this bound, which the histogram must have."""
    if bound_s not in metric.buckets_s:
        bounds = ", ".join(f"{bound:g}" for bound in metric.buckets_s)
        raise ExpressionError(f"{metric.name} has no bucket of {bound_s:g} s; it has {bounds}")
    # prometheus_client writes 1 as 1.0, and so does Prometheus' parser of exposition formats.
    return {"le": str(float(bound_s))}


def quantile(share: float, metric: Metric, window_s: float, keep: Sequence[str]) -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({share:g}, {rate(metric, window_s, ['le', *keep], '_bucket')})"


def _must_have(metric: AnyMetric, keep: Sequence[str]) -> None:
    known = {*labels_of(metric), "le"}
    if unknown := sorted(set(keep) - known):
        raise ExpressionError(f"{metric.name} has no label {', '.join(unknown)}")
