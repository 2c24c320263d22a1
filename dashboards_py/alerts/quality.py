"""Are the answers whole, and are the numbers about them?"""

from __future__ import annotations

from dashboards_py.alert import Alert, Dashboard, Priority
from dashboards_py.expressions import appeared, by, duration, increase, select
from dashboards_py.rules.models import KNOWN
from dashboards_py.thresholds import Site, Thresholds
from exporter.metrics.catalog import MISSING_USAGE, REQUESTS, UNPRICED
from exporter.metrics.own import PRICE_LIST_NEWEST

_KEEP = ("service_name", "provider", "model")
_WHO = "{{ $labels.service_name }} with {{ $labels.model }} of {{ $labels.provider }}"


def alerts(t: Thresholds, site: Site) -> tuple[Alert, ...]:
    """Return the alerts of this topic."""
    del site
    return (*_endings(t), _unpriced(t), _new_model(t), _usage_missing(t), _old_prices(t))


def _endings(t: Thresholds) -> tuple[Alert, ...]:
    window_s = t.quality_window_s
    calls = increase(REQUESTS, window_s, _KEEP)
    return tuple(
        Alert(
            name=name,
            expr=f"{increase(REQUESTS, window_s, _KEEP, outcome=outcome)} / {calls} > {ratio:g}"
            f"\nand {calls} >= {t.quality_requests_min}",
            priority=Priority.P2,
            summary=summary,
            description=f"{{{{ $value | humanizePercentage }}}} of the answers to {_WHO} were "
            f"{what} in the last {duration(window_s)}, the limit is {ratio:.0%}.",
            dashboard=Dashboard.ERRORS,
            keep=_KEEP,
            hold_s=t.hold_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        )
        for name, outcome, ratio, summary, what in (
            (
                "LLMContentFilterSpike",
                "content_filter",
                t.content_filter_ratio,
                "A provider blocks many answers",
                "blocked by a content filter",
            ),
            (
                "LLMTruncations",
                "truncated",
                t.truncated_ratio,
                "Many answers stop in the middle",
                "cut off at the token limit",
            ),
        )
    )


def _unpriced(t: Thresholds) -> Alert:
    return Alert(
        name="LLMUnpricedModel",
        expr=appeared(UNPRICED, t.cost_window_s, _KEEP, reason="=~unknown_model|no_rate"),
        priority=Priority.P3,
        summary="Calls of a model have no price, so their cost is missing",
        description=f"{{{{ $value | humanize }}}} calls of {_WHO} in the last "
        f"{duration(t.cost_window_s)} have no price.",
        dashboard=Dashboard.COST,
        keep=_KEEP,
        keep_firing_s=t.keep_firing_s,
        traces=True,
    )


def _new_model(t: Thresholds) -> Alert:
    shown, window = duration(t.new_model_shown_s), duration(t.new_model_window_s)
    # A service that was not there either is new as a whole: that is a release, not a surprise.
    service_before = by(("service_name",), f"{KNOWN} offset {shown}", "group")
    return Alert(
        name="LLMNewModel",
        expr=f"({KNOWN} unless last_over_time({KNOWN}[{window}] offset {shown}))"
        f"\nand on (service_name) {service_before}",
        priority=Priority.P3,
        summary="A service calls a model that it did not call before",
        description=f"{_WHO}: first seen within {shown}, {{{{ $value | humanize }}}} calls so far.",
        dashboard=Dashboard.COST,
        keep=_KEEP,
        traces=True,
    )


def _usage_missing(t: Thresholds) -> Alert:
    window_s = t.quality_window_s
    answered = increase(REQUESTS, window_s, _KEEP, status="ok")
    return Alert(
        name="LLMUsageMissing",
        expr=f"{increase(MISSING_USAGE, window_s, _KEEP)} / {answered} > {t.usage_missing_ratio:g}"
        f"\nand {answered} >= {t.quality_requests_min}",
        priority=Priority.P3,
        summary="Many calls report no token counts",
        description=f"{{{{ $value | humanizePercentage }}}} of the answers to {_WHO} report no "
        f"usage; their tokens and cost are estimated at best.",
        dashboard=Dashboard.COST,
        keep=_KEEP,
        hold_s=t.hold_long_s,
        keep_firing_s=t.keep_firing_s,
        traces=True,
    )


def _old_prices(t: Thresholds) -> Alert:
    age = f"time() - {by((), select(PRICE_LIST_NEWEST), 'max')}"
    return Alert(
        name="LLMPriceTableStale",
        expr=f"{age} > {t.price_age_max_s}",
        priority=Priority.P3,
        summary="The price list is old",
        description="The newest dated price of the list is {{ $value | humanizeDuration }} old, "
        f"the limit is {t.price_age_max_s // 86_400} days.",
        dashboard=Dashboard.HEALTH,
        hold_s=t.hold_s,
    )
