"""Service levels: how much of the traffic was bad, over every window that a burn rate asks for.

Each level records two rates over the short window, valid and bad. A longer window is the mean of
those, bad divided by valid, so it is weighted by traffic and cheap over days.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards_py.alert import Group, Record
from dashboards_py.expressions import duration, rate, under
from dashboards_py.thresholds import Burn, Thresholds
from exporter.metrics.catalog import (
    REQUEST_DURATION,
    REQUESTS,
    TIME_TO_FIRST_TOKEN,
    Metric,
)

# What a caller did to itself is nobody's outage, and is in neither number.
NOT_COUNTED = "cancelled|invalid_request"
# A filter that does its work is no failure of the provider; it has an alert of its own.
NOT_BAD = f"{NOT_COUNTED}|content_filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """One service level. `valid` and `bad` are rates over the rate window."""

    name: str
    keep: tuple[str, ...]
    valid: str
    bad: str
    objective: float
    rate_window_s: int
    record_interval_s: int

    @property
    def valid_record(self) -> str:
        """The record of valid calls a second."""
        return f"llm:{self.name}_valid:rate"

    @property
    def bad_record(self) -> str:
        """The record of bad calls a second."""
        return f"llm:{self.name}_bad:rate"

    def ratio_record(self, window_s: int) -> str:
        """Return the record of the bad share over a window."""
        return f"llm:{self.name}_bad:ratio_rate{duration(window_s)}"

    def burning(self, burns: tuple[Burn, ...], requests_min: int) -> str:
        """Return the expression of a budget that burns too fast; its value is the bad share."""
        return "\nor\n".join(self._burning(burn, requests_min) for burn in burns)

    def volume(self, window_s: int) -> str:
        """Return how many calls were valid in a window."""
        if window_s == self.rate_window_s:
            return f"{self.valid_record} * {window_s}"
        return (
            f"sum_over_time({self.valid_record}[{duration(window_s)}]) * {self.record_interval_s}"
        )

    def ratio(self, window_s: int) -> str:
        """Return the bad share over a window, from the rates."""
        if window_s == self.rate_window_s:
            return f"{self.bad_record} / ({self.valid_record} > 0)"
        window = duration(window_s)
        return (
            f"avg_over_time({self.bad_record}[{window}])"
            f" / (avg_over_time({self.valid_record}[{window}]) > 0)"
        )

    def _burning(self, burn: Burn, requests_min: int) -> str:
        short_s, long_s, factor = burn
        limit = f"{factor:g} * {1 - self.objective:g}"
        return (
            f"({self.ratio_record(short_s)} > {limit}"
            f"\n  and {self.ratio_record(long_s)} > {limit}"
            f"\n  and {self.volume(long_s)} >= {requests_min}"
            f"\n  and {self._known_for(long_s)} >= {long_s // 2})"
        )

    def _known_for(self, window_s: int) -> str:
        """Return for how long, in seconds, there was anything to record in a window.

        With less than half of it known, one bad hour of a new service would be a bad month.
        """
        window = duration(window_s)
        return f"count_over_time({self.valid_record}[{window}]) * {self.record_interval_s}"


def slos(t: Thresholds) -> tuple[Slo, ...]:
    """Return the service levels: availability, latency, time to first token."""
    return (availability(t), latency(t), ttft(t))


def availability(t: Thresholds) -> Slo:
    """Return the level of calls that are answered."""
    keep = ("service_name", "provider")
    return Slo(
        name="availability",
        keep=keep,
        valid=rate(REQUESTS, t.rate_window_s, keep, outcome=f"!~{NOT_COUNTED}"),
        bad=rate(REQUESTS, t.rate_window_s, keep, status="error", outcome=f"!~{NOT_BAD}"),
        objective=t.availability_objective,
        rate_window_s=t.rate_window_s,
        record_interval_s=t.record_interval_s,
    )


def latency(t: Thresholds) -> Slo:
    """Return the level of calls that are answered in time; failed ones count for availability."""
    return _timed("latency", REQUEST_DURATION, t.latency_slo_s, t.latency_objective, t, status="ok")


def ttft(t: Thresholds) -> Slo:
    """Return the level of streams that begin in time."""
    return _timed("ttft", TIME_TO_FIRST_TOKEN, t.ttft_slo_s, t.ttft_objective, t)


def _timed(
    name: str, metric: Metric, bound_s: float, objective: float, t: Thresholds, **match: str
) -> Slo:
    keep = ("service_name", "provider", "model")
    valid = rate(metric, t.rate_window_s, keep, "_count", **match)
    good = rate(metric, t.rate_window_s, keep, "_bucket", **match, **under(metric, bound_s))
    return Slo(
        name=name,
        keep=keep,
        valid=valid,
        bad=f"{valid} - {good}",
        objective=objective,
        rate_window_s=t.rate_window_s,
        record_interval_s=t.record_interval_s,
    )


def groups(t: Thresholds) -> list[Group]:
    """Return a group for each level."""
    windows = sorted({window for short, long, _ in t.burn_fast + t.burn_slow
                      for window in (short, long)}
                     | {t.rate_window_s, t.error_rate_elevated_window_s})  # fmt: skip
    return [
        Group(f"llm-slo-{slo.name}", _records(slo, windows), t.record_interval_s) for slo in slos(t)
    ]


def _records(slo: Slo, windows: list[int]) -> list[Record]:
    # A level without a bad call has a bad rate of 0, not none.
    none = f"0 * {slo.valid_record}"
    ratios = [Record(slo.ratio_record(window), slo.ratio(window), slo.keep) for window in windows]
    return [
        Record(slo.valid_record, slo.valid, slo.keep),
        Record(slo.bad_record, f"{slo.bad} or {none}", slo.keep),
        *ratios,
    ]
