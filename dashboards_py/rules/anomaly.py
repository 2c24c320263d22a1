"""What is usual: traffic, latency and cost of each service at the same time of past weeks.

Four numbers for each signal: mean and standard deviation for a band around a graph; median and
median absolute deviation for alerts, which one odd week cannot move.
"""

from __future__ import annotations

from dashboards_py.alert import Group, Record
from dashboards_py.expressions import duration, quantile, rate
from dashboards_py.thresholds import Thresholds
from exporter.metrics.catalog import COST, REQUEST_DURATION, REQUESTS

KEEP = ("service_name",)
REQUEST_RATE = "llm:requests:per_second"
LATENCY_P95 = "llm:request_duration:p95_seconds"
COST_RATE = "llm:cost_usd:per_hour"
SIGNALS = (REQUEST_RATE, LATENCY_P95, COST_RATE)
# In the past a label tells the weeks apart.
_WEEK_LABEL = "season"


def usual(signal: str, statistic: str) -> str:
    """Return the record of a signal's past: `avg`, `stddev`, `median`, `mad` or `count`."""
    return f"{signal}:past_{statistic}"


def groups(t: Thresholds) -> list[Group]:
    """Return the signals and their past."""
    signals = [
        Record(REQUEST_RATE, rate(REQUESTS, t.cost_window_s, KEEP), KEEP),
        Record(LATENCY_P95, quantile(0.95, REQUEST_DURATION, t.cost_window_s, KEEP), KEEP),
        Record(COST_RATE, f"{rate(COST, t.cost_window_s, KEEP)} * 3600", KEEP),
    ]
    past = [record for signal in SIGNALS for record in _past(signal, t)]
    return [Group("llm-usual", [*signals, *past], t.record_interval_s)]


def _past(signal: str, t: Thresholds) -> list[Record]:
    seasons = _seasons(signal, t)
    labels = ", ".join(KEEP)
    median = usual(signal, "median")
    distance = f"abs(({seasons}) - on ({labels}) group_left () {median})"
    return [
        Record(usual(signal, "count"), f"count by ({labels}) ({seasons})", KEEP),
        Record(usual(signal, "avg"), f"avg by ({labels}) ({seasons})", KEEP),
        Record(usual(signal, "stddev"), f"stddev by ({labels}) ({seasons})", KEEP),
        Record(median, f"quantile by ({labels}) (0.5, {seasons})", KEEP),
        Record(usual(signal, "mad"), f"quantile by ({labels}) (0.5, {distance})", KEEP),
    ]


def _seasons(signal: str, t: Thresholds) -> str:
    """Return the signal at the same time of each past season, told apart by a label."""
    return " or ".join(
        f'label_replace({signal} offset {duration(number * t.season_s)}, "{_WEEK_LABEL}", '
        f'"{number}", "", "")'
        for number in range(1, t.seasons + 1)
    )
