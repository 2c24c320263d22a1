"""A section of the overview: is this usual for this hour of the week?"""

from __future__ import annotations

from dashboards_py.links import POINT_TO_TRACES
from dashboards_py.panels import Panel, PromQL, Unit, band, chart
from dashboards_py.panels.style import BLUE, GREY
from dashboards_py.promql import quantile, rate, usual
from exporter.metrics.catalog import COST, REQUEST_DURATION, REQUESTS

_HOUR_S = 3600


def usual_or_not() -> list[Panel]:
    """Requests, latency and cost, each with the band of past weeks."""

    def requests(offset: str) -> str:
        return rate(REQUESTS, window="1h", offset=offset)

    def latency(offset: str) -> str:
        return quantile(0.95, REQUEST_DURATION, window="1h", offset=offset)

    def cost(offset: str) -> str:
        return f"{_HOUR_S} * {rate(COST, window='1h', offset=offset)}"

    asked = (
        ("Requests against usual", "Calls per second", requests, Unit.REQUESTS_PER_SECOND),
        ("p95 against usual", "95th percentile of the duration", latency, Unit.SECONDS),
        ("Cost against usual", "US dollars per hour", cost, Unit.DOLLARS),
    )
    return [
        chart(
            title,
            f"{what}, over one hour, and what it was at this hour in the last four weeks: outside "
            "the band is unusual, above or below.",
            PromQL(expression(""), "now"),
            PromQL(usual(expression, deviations=2), "upper"),
            PromQL(f"clamp_min({usual(expression, deviations=-2)}, 0)", "lower"),
            PromQL(usual(expression), "usual"),
            unit=unit, width=8, colours={"now": BLUE, "usual": GREY}, links=(POINT_TO_TRACES,),
            overrides=band("upper", "lower"), calcs=("lastNotNull",),
        )
        for title, what, expression, unit in asked
    ]  # fmt: skip
