"""Is money spent as planned?"""

from __future__ import annotations

from dashboards_py.alert import Alert, Dashboard, Priority
from dashboards_py.expressions import by, duration, increase, rate, select
from dashboards_py.rules.anomaly import COST_RATE, usual
from dashboards_py.thresholds import Burn, Site, Thresholds
from exporter.metrics.catalog import (
    BUDGET,
    BUDGET_END,
    BUDGET_SPENT,
    BUDGET_START,
    COST,
    REQUESTS,
    TOKENS,
    Metric,
)

_BUDGET = ("budget", "period")
_MODEL = ("service_name", "provider", "model")
_SERVICE = ("service_name",)
_NAME = "budget {{ $labels.budget }} of this {{ $labels.period }}"
_WHO = "{{ $labels.service_name }} with {{ $labels.model }} of {{ $labels.provider }}"
_READ = {"token_type": "cache_read"}
_GIVEN = {"token_type": "=~input.*|cache_.*"}


def alerts(t: Thresholds, site: Site) -> tuple[Alert, ...]:
    """Return the alerts of this topic."""
    del site
    return (*_budget_burns(t), *_budget_shares(t), _forecast(t), *_anomalies(t), _cache_hits(t))


def _budget_burns(t: Thresholds) -> tuple[Alert, ...]:
    text = f"The {_NAME} is spent {{{{ $value | humanize }}}} times as fast as it lasts."
    # A window must fit into the period: the sum starts anew with each.
    long = "=~week|month"
    return tuple(
        Alert(
            name=f"LLMBudgetBurnRate{speed}",
            expr="\nor\n".join(_spending(burn, match) for burn in burns),
            priority=Priority.P2,
            summary=f"A budget is spent {pace} too fast",
            description=text,
            dashboard=Dashboard.COST,
            keep=_BUDGET,
            hold_s=hold_s,
            keep_firing_s=t.keep_firing_s,
        )
        for speed, burns, match, hold_s, pace in (
            ("Fast", t.burn_fast, {}, t.hold_s, "much"),
            ("Slow", t.burn_slow, {"period": long}, t.hold_long_s, "somewhat"),
        )
    )


def _spending(burn: Burn, match: dict[str, str]) -> str:
    short_s, long_s, factor = burn
    period_s = f"({_one(BUDGET_END, **match)} - {_one(BUDGET_START, **match)})"
    allowed = f"({_one(BUDGET, **match)} / {period_s})"
    spent = select(BUDGET_SPENT, **match)
    speeds = [
        f"{by(_BUDGET, f'delta({spent}[{duration(window)}])', 'max')} / {window} / {allowed}"
        for window in (short_s, long_s)
    ]
    return f"({speeds[0]} > {factor:g}\n  and {speeds[1]} > {factor:g})"


def _one(metric: Metric, **match: str) -> str:
    """Return a budget's number once, though every replica of the service shows it."""
    return by(_BUDGET, select(metric, **match), "max")


def _budget_shares(t: Thresholds) -> tuple[Alert, ...]:
    spent = f"{_one(BUDGET_SPENT)} / {_one(BUDGET)}"
    steps = (
        ("80", t.budget_warn_ratio, Priority.P2),
        ("95", t.budget_critical_ratio, Priority.P2),
        ("100", 1.0, Priority.P1),
    )
    return tuple(
        Alert(
            name=f"LLMBudget{name}",
            expr=f"{spent} >= {ratio:g}",
            priority=priority,
            summary="A budget is spent" if ratio == 1 else f"{ratio:.0%} of a budget is spent",
            description=f"{{{{ $value | humanizePercentage }}}} of the {_NAME} is spent.",
            dashboard=Dashboard.COST,
            keep=_BUDGET,
        )
        for name, ratio, priority in steps
    )


def _forecast(t: Thresholds) -> Alert:
    start, end = _one(BUDGET_START), _one(BUDGET_END)
    elapsed = f"(time() - {start}) / ({end} - {start})"
    return Alert(
        name="LLMBudgetForecastExceeded",
        expr=f"{_one(BUDGET_SPENT)} / ({elapsed}) / {_one(BUDGET)} > 1"
        f"\nand {elapsed} > {t.budget_forecast_elapsed_min:g}",
        priority=Priority.P2,
        summary="At this pace a budget does not last for its period",
        description=f"At its pace so far the {_NAME} ends at "
        "{{ $value | humanizePercentage }}.",
        dashboard=Dashboard.COST,
        keep=_BUDGET,
        hold_s=t.hold_long_s,
        keep_firing_s=t.keep_firing_s,
    )


def _anomalies(t: Thresholds) -> tuple[Alert, ...]:
    return (_cost_anomaly(t), _cost_per_request(t), _token_surge(t))


def _cost_anomaly(t: Thresholds) -> Alert:
    usually = usual(COST_RATE, "median")
    # 1.4826 turns a median absolute deviation into the sigma of a normal distribution.
    spread = f"{t.cost_anomaly_deviations:g} * 1.4826 * {usual(COST_RATE, 'mad')}"
    return Alert(
        name="LLMCostAnomaly",
        expr=f"{COST_RATE} > {t.cost_anomaly_ratio:g} * {usually}"
        f"\nand {COST_RATE} - {usually} > {spread}"
        f"\nand {COST_RATE} - {usually} > {t.cost_anomaly_floor_usd_per_hour:g}"
        f"\nand {usual(COST_RATE, 'count')} >= {t.seasons_min}",
        priority=Priority.P2,
        summary="A service costs far more than at this hour of past weeks",
        description='{{ $labels.service_name }} costs ${{ printf "%.2f" $value }} an hour, over '
        f"{t.cost_anomaly_ratio - 1:.0%} above the median of the same hour in the last "
        f"{t.seasons} weeks.",
        dashboard=Dashboard.COST,
        keep=_SERVICE,
        hold_s=t.hold_long_s,
        keep_firing_s=t.keep_firing_s,
        traces=True,
    )


def _cost_per_request(t: Thresholds) -> Alert:
    window_s, window = t.cost_window_s, duration(t.cost_window_s)

    def mean(window_s: int, offset: str = "") -> str:
        cost = f"rate({select(COST)}[{duration(window_s)}]{offset})"
        calls = f"rate({select(REQUESTS)}[{duration(window_s)}]{offset})"
        return f"{by(_MODEL, cost)} / ({by(_MODEL, calls)} > 0)"

    now, before = mean(window_s), mean(t.baseline_s, f" offset {window}")
    return Alert(
        name="LLMCostPerRequestJump",
        expr=f"{now} > {t.cost_per_request_ratio:g} * ({before})"
        f"\nand {now} - ({before}) > {t.cost_per_request_floor_usd:g}"
        f"\nand {increase(REQUESTS, window_s, _MODEL)} >= {t.cost_requests_min}",
        priority=Priority.P2,
        summary="A call costs more than the day before",
        description=f'A call of {_WHO} costs ${{{{ printf "%.4f" $value }}}} on average, over '
        f"{t.cost_per_request_ratio - 1:.0%} more than in the {duration(t.baseline_s)} before.",
        dashboard=Dashboard.COST,
        keep=_MODEL,
        hold_s=t.hold_long_s,
        keep_firing_s=t.keep_firing_s,
        traces=True,
    )


def _token_surge(t: Thresholds) -> Alert:
    window_s = t.cost_window_s
    now = rate(TOKENS, window_s, _SERVICE)
    before = by(
        _SERVICE,
        f"rate({select(TOKENS)}[{duration(t.baseline_s)}] offset {duration(window_s)})",
    )
    return Alert(
        name="LLMTokenSurge",
        expr=f"{now} * 3600 > {t.token_surge_ratio:g} * 3600 * {before}"
        f"\nand {now} * 3600 > {t.token_surge_floor_per_hour:.0f}",
        priority=Priority.P2,
        summary="A service uses several times its tokens",
        description="{{ $labels.service_name }} uses {{ $value | humanize }} tokens an hour, over "
        f"{t.token_surge_ratio:g} times the mean of the {duration(t.baseline_s)} before.",
        dashboard=Dashboard.COST,
        keep=_SERVICE,
        hold_s=t.hold_s,
        keep_firing_s=t.keep_firing_s,
        traces=True,
    )


def _cache_hits(t: Thresholds) -> Alert:
    def share(window_s: int, offset: str = "") -> str:
        window = f"[{duration(window_s)}]{offset}"
        read = by(_MODEL, f"rate({select(TOKENS, **_READ)}{window})")
        given = by(_MODEL, f"rate({select(TOKENS, **_GIVEN)}{window})")
        return f"{read} / ({given} > 0)"

    now = share(t.cost_window_s)
    before = share(t.baseline_s, f" offset {duration(t.cost_window_s)}")
    return Alert(
        name="LLMCacheHitDrop",
        expr=f"{now} < {t.cache_hit_drop_ratio:g} * ({before})"
        f"\nand {before} >= {t.cache_hit_share_min:g}"
        f"\nand {increase(TOKENS, t.cost_window_s, _MODEL, **_GIVEN)}"
        f" >= {t.cache_tokens_min}",
        priority=Priority.P2,
        summary="The provider's prompt cache is hit far less than the day before",
        description=f"{{{{ $value | humanizePercentage }}}} of the input tokens of {_WHO} come "
        f"from the cache, under {t.cache_hit_drop_ratio:.0%} of the share in the "
        f"{duration(t.baseline_s)} before.",
        dashboard=Dashboard.COST,
        keep=_MODEL,
        hold_s=t.hold_long_s,
        keep_firing_s=t.keep_firing_s,
    )
