"""PromQL from the catalogue: a metric or label is an object here, never a piece of text.

Every query of calls is narrowed by the dashboard's variables. A variable's "All" is `.*`, which
also matches a series without the label, so a label that is not switched on narrows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from exporter.metrics import catalog
from exporter.metrics.catalog import Label, Metric, MetricType

# Grafana's: never shorter than four scrapes, never shorter than a pixel.
RATE_WINDOW = "$__rate_interval"
RANGE = "$__range"

# The variable that stands for each label; those of EXTRA_LABELS may be absent from the series.
VARIABLES: dict[Label, str] = {
    catalog.SERVICE: "service",
    catalog.PROVIDER: "provider",
    catalog.MODEL: "model",
    catalog.OPERATION: "operation",
    catalog.EXTRA_LABELS["environment"]: "environment",
    catalog.EXTRA_LABELS["feature"]: "feature",
    catalog.EXTRA_LABELS["tenant"]: "tenant",
}
# A bucket's upper bound; Prometheus' own label, which every histogram has.
LE = Label("le", "", open=False)
FEATURE = catalog.EXTRA_LABELS["feature"]
TENANT = catalog.EXTRA_LABELS["tenant"]
RELEASE = catalog.EXTRA_LABELS["release"]

Match = tuple[str, str]
"""An operator of PromQL and a value."""
Where = Mapping[Label, Match | str]
"""What a label must be: a value, or an operator and a value."""

_EXTRAS = (catalog.EXTRA_LABELS["environment"], FEATURE, TENANT)


def labels_of(metric: Metric) -> tuple[Label, ...]:
    """The labels that can narrow a metric: its own, and a user's on the metrics of calls."""
    return (*metric.labels, *_EXTRAS) if metric.name in catalog.CALL_METRICS else metric.labels


def select(
    metric: Metric,
    where: Where | None = None,
    *,
    suffix: str = "",
    window: str = "",
    offset: str = "",
) -> str:
    """Return a selector: the dashboard's variables, replaced or joined by `where`.

    `suffix` is that of a histogram's sample: _bucket, _sum or _count.
    """
    chosen: dict[str, Match] = {
        label.name: ("=~", f"${VARIABLES[label]}")
        for label in labels_of(metric)
        if label in VARIABLES
    }
    for label, match in (where or {}).items():
        chosen[label.name] = ("=", match) if isinstance(match, str) else match
    matchers = ",".join(f'{name}{operator}"{value}"' for name, (operator, value) in chosen.items())
    name = f"{metric.name}{suffix}" if suffix else metric.sample_name
    return (
        name
        + (f"{{{matchers}}}" if matchers else "")
        + (f"[{window}]" if window else "")
        + (f" offset {offset}" if offset else "")
    )


def names(labels: Sequence[Label]) -> str:
    """Return labels as the list behind `by`."""
    return ", ".join(label.name for label in labels)


def legend(*labels: Label) -> str:
    """Return the names of series as Grafana makes them from labels."""
    return " / ".join(f"{{{{{label.name}}}}}" for label in labels)


def total(expression: str, by: Sequence[Label] = ()) -> str:
    """Sum, whole or by labels."""
    return f"sum by ({names(by)}) ({expression})" if by else f"sum({expression})"


def rate(
    metric: Metric,
    by: Sequence[Label] = (),
    where: Where | None = None,
    *,
    suffix: str = "",
    window: str = RATE_WINDOW,
    offset: str = "",
) -> str:
    """Per second, summed."""
    selected = select(metric, where, suffix=suffix, window=window, offset=offset)
    return total(f"rate({selected})", by)


def increase(
    metric: Metric,
    by: Sequence[Label] = (),
    where: Where | None = None,
    *,
    suffix: str = "",
    window: str = RANGE,
    offset: str = "",
) -> str:
    """In a window, summed."""
    selected = select(metric, where, suffix=suffix, window=window, offset=offset)
    return total(f"increase({selected})", by)


def quantile(
    share: float,
    metric: Metric,
    by: Sequence[Label] = (),
    where: Where | None = None,
    *,
    window: str = RATE_WINDOW,
    offset: str = "",
) -> str:
    """A quantile of a histogram, in its unit."""
    inner = f"rate({select(metric, where, suffix='_bucket', window=window, offset=offset)})"
    return f"histogram_quantile({share}, {total(inner, (LE, *by))})"


def mean(
    metric: Metric,
    by: Sequence[Label] = (),
    where: Where | None = None,
    *,
    window: str = RATE_WINDOW,
) -> str:
    """The mean of a histogram, in its unit; absent where nothing was measured."""
    return over(
        rate(metric, by, where, suffix="_sum", window=window),
        rate(metric, by, where, suffix="_count", window=window),
    )


def share(part: str, whole: str) -> str:
    """A part of a whole, 0 to 1: 0 where no part was ever seen, absent where the whole is 0."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def over(above: str, below: str) -> str:
    """A quotient that is absent where the divisor is 0."""
    return f"{above} / ({below} > 0)"


def within(metric: Metric, bound_s: float, by: Sequence[Label] = ()) -> str:
    """Share of observations up to a bucket's bound, 0 to 1. Raise ValueError for another bound."""
    if bound_s not in metric.buckets_s or metric.type is not MetricType.HISTOGRAM:
        raise ValueError(f"{metric.name} has no bucket with the bound {bound_s}")
    inside = select(metric, suffix="_bucket", window=RATE_WINDOW)
    # Prometheus 3 writes whole bounds as 1.0, older ones as 1.
    inside = inside.replace("}[", f',{LE.name}=~"{_bound(bound_s)}"}}[')
    return over(total(f"rate({inside})", by), rate(metric, by, suffix="_count"))


def usual(
    expression: Callable[[str], str], by: Sequence[Label] = (), *, deviations: float = 0.0
) -> str:
    """Mean over the same time of the last four weeks, plus this many standard deviations.

    `expression` makes the query for an offset. Weeks without data are left out.
    """
    weeks = " or ".join(
        f'label_replace({expression(f"{n}w")}, "week", "{n}", "", "")' for n in range(1, 5)
    )
    over_weeks = f"by ({names(by)}) " if by else ""
    centre = f"avg {over_weeks}({weeks})"
    if not deviations:
        return centre
    sign = "+" if deviations > 0 else "-"
    return f"{centre} {sign} {abs(deviations):g} * stddev {over_weeks}({weeks})"


def _bound(bound_s: float) -> str:
    return (
        f"{bound_s:g}(\\\\.0)?" if bound_s == int(bound_s) else f"{bound_s:g}".replace(".", "\\\\.")
    )
