"""Do calls get answers?"""

from __future__ import annotations

from dashboards_py.alert import Alert, Dashboard, Priority
from dashboards_py.expressions import duration, increase, rate
from dashboards_py.rules.slo import NOT_BAD, availability
from dashboards_py.thresholds import Site, Thresholds
from exporter.metrics.catalog import REQUESTS

_CALLS = ("service_name", "provider", "model")
_WHO = "{{ $labels.service_name }} to {{ $labels.provider }}"
_SHARE = "{{ $value | humanizePercentage }}"


def alerts(t: Thresholds, site: Site) -> tuple[Alert, ...]:
    """Return the alerts of this topic."""
    del site
    return (*_shares(t), *_burns(t), *_limits(t))


def _shares(t: Thresholds) -> tuple[Alert, ...]:
    slo = availability(t)
    window = duration(t.rate_window_s)
    long = duration(t.error_rate_elevated_window_s)
    return (
        Alert(
            name="LLMProviderDown",
            expr=_failing(t, ">=", t.provider_down_ratio, t.provider_down_requests_min),
            priority=Priority.P0,
            summary="No call of a service to a provider succeeds",
            description=f"{_SHARE} of the calls of {_WHO} failed in the last {window}.",
            dashboard=Dashboard.ERRORS,
            keep=slo.keep,
            hold_s=t.hold_short_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        ),
        Alert(
            name="LLMErrorRateHigh",
            expr=_failing(t, ">", t.error_rate_high, t.error_rate_high_requests_min),
            priority=Priority.P0,
            summary="Many calls of a service to a provider fail",
            description=f"{_SHARE} of the calls of {_WHO} failed in the last {window}, "
            f"the limit is {t.error_rate_high:.0%}.",
            dashboard=Dashboard.ERRORS,
            keep=slo.keep,
            hold_s=t.hold_short_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        ),
        Alert(
            name="LLMErrorRateElevated",
            expr=f"{slo.ratio_record(t.error_rate_elevated_window_s)} > {t.error_rate_elevated:g}"
            f"\nand {slo.volume(t.error_rate_elevated_window_s)}"
            f" >= {t.error_rate_elevated_requests_min}",
            priority=Priority.P1,
            summary="More calls of a service to a provider fail than the objective allows",
            description=f"{_SHARE} of the calls of {_WHO} failed in the last {long}, "
            f"the limit is {t.error_rate_elevated:.0%}.",
            dashboard=Dashboard.ERRORS,
            keep=slo.keep,
            hold_s=t.hold_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        ),
    )


def _failing(t: Thresholds, comparison: str, ratio: float, requests_min: int) -> str:
    slo = availability(t)
    return (
        f"{slo.ratio_record(t.rate_window_s)} {comparison} {ratio:g}"
        f"\nand {slo.volume(t.rate_window_s)} >= {requests_min}"
    )


def _burns(t: Thresholds) -> tuple[Alert, ...]:
    slo = availability(t)
    text = f"{_SHARE} of the calls of {_WHO} fail; {1 - slo.objective:.0%} is allowed over 30 days."
    return (
        Alert(
            name="LLMErrorBudgetBurnFast",
            expr=slo.burning(t.burn_fast, t.burn_requests_min),
            priority=Priority.P0,
            summary="The error budget of 30 days burns within days",
            description=text,
            dashboard=Dashboard.ERRORS,
            keep=slo.keep,
            hold_s=t.hold_short_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        ),
        Alert(
            name="LLMErrorBudgetBurnSlow",
            expr=slo.burning(t.burn_slow, t.burn_requests_min),
            priority=Priority.P1,
            summary="The error budget will not last for 30 days",
            description=text,
            dashboard=Dashboard.ERRORS,
            keep=slo.keep,
            hold_s=t.hold_long_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        ),
    )


def _limits(t: Thresholds) -> tuple[Alert, ...]:
    window_s, window = t.rate_window_s, duration(t.rate_window_s)
    calls = increase(REQUESTS, window_s, _CALLS)
    limited = increase(REQUESTS, window_s, _CALLS, outcome="rate_limited")
    failed = increase(REQUESTS, window_s, _CALLS, status="error", outcome=f"!~{NOT_BAD}")
    answered = increase(REQUESTS, window_s, _CALLS, status="ok")
    now = rate(REQUESTS, window_s, _CALLS)
    before = (
        f"avg_over_time({{}}[{duration(t.cost_window_s)}:{duration(t.record_interval_s)}]"
        f" offset {window})"
    ).format(now)
    return (
        Alert(
            name="LLMRateLimited",
            expr=f"{limited} / {calls} > {t.rate_limited_ratio:g}"
            f"\nand {calls} >= {t.rate_limited_requests_min}",
            priority=Priority.P1,
            summary="A provider turns calls away: rate limit or quota",
            description=f"{_SHARE} of the calls of {_WHO}, model {{{{ $labels.model }}}}, were "
            f"rate limited in the last {window}, the limit is {t.rate_limited_ratio:.0%}.",
            dashboard=Dashboard.ERRORS,
            keep=_CALLS,
            hold_s=t.hold_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        ),
        Alert(
            name="LLMRetryStorm",
            expr=f"{failed} / ({answered} > 0 or {failed} * 0 + 1)"
            f" >= {t.retry_storm_failures_per_success:g}"
            f"\nand {failed} >= {t.retry_storm_requests_min}"
            f"\nand {now} > {t.retry_storm_growth:g} * {before}",
            priority=Priority.P1,
            summary="Retries multiply the calls to a provider that fails",
            description="{{ $value | humanize }} calls fail for each that succeeds, and there are "
            f"over {t.retry_storm_growth:g} times as many as in the hour before: {_WHO}, "
            "model {{ $labels.model }}.",
            dashboard=Dashboard.ERRORS,
            keep=_CALLS,
            hold_s=t.hold_short_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        ),
    )
