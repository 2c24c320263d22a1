"""Two numbers of the overview: is it healthy, and must somebody get up?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.alert import SEVERITY, Priority
from dashboards_py.own_metrics import ALERT_STATE, ALERTS, JOB, PRIORITY, SERVICE_JOB, UP
from dashboards_py.own_metrics import SEVERITY as SEVERITY_LABEL
from dashboards_py.panels import Link, Panel, PromQL, Unit, go_to, number, value_map
from dashboards_py.panels.style import (
    BAD,
    BLUE,
    ERROR_STEPS,
    GOOD,
    GREY,
    LATENCY_STEPS,
    NEUTRAL,
    WARNING,
)
from dashboards_py.promql import Match, legend, quantile, rate, select, share
from exporter.metrics.catalog import REQUEST_DURATION, REQUESTS, STATUS, Label

FAILED = {STATUS: "error"}
# Of State and the numbers that explain it: within a minute one failed call would be a failing shop.
NOW = "5m"
# Whether the reader must get up is said by the colour, and in words.
_WORST = Label("worst", "", open=False)
_ALERT_COLOURS = {"paging": BAD, "warning": WARNING, "informing": BLUE, "none": GOOD}
_STATES = value_map(
    {
        "0": ("Healthy", GOOD),
        "1": ("Degraded", WARNING),
        "2": ("Failing", BAD),
        "3": ("No traffic", GREY),
        "4": ("Not measured", BAD),
    }
)


def state() -> Panel:
    """One word for the last five minutes."""
    return number(
        "State",
        "One answer for the last five minutes. Failing: more than 10 % of calls fail. "
        "Degraded: more than 1 % fail, or the 95th percentile is above 2 s. Not "
        "measured: the service cannot be scraped.",
        PromQL(_state_expression(), instant=True),
        unit=Unit.NONE, words=_STATES, filled=True, graph=False,
        width=3, height=5, base=NEUTRAL,
        links=(Link("What fails", go_to(uids.ERRORS_AND_LIMITS)),),
    )  # fmt: skip


def alerts() -> Panel:
    """How many alerts fire, in the colour of the worst."""
    return number(
        "Alerts",
        "How many alerts of priority P0 to P3 fire now, and what the worst of them does: page "
        "somebody (P0, P1), warn (P2), or only inform (P3).",
        PromQL(_counted(), legend(_WORST), instant=True),
        unit=Unit.NONE, graph=False, width=2, height=5, text="value_and_name",
        colours=_ALERT_COLOURS,
        links=(Link("Alert rules", "/alerting/list?search=state:firing"),),
    )  # fmt: skip


def firing(*severities: str) -> str:
    """Select the pack's alerts that fire, those of some severities or all."""
    only: dict[Label, Match] = {SEVERITY_LABEL: ("=~", "|".join(severities))} if severities else {}
    return select(ALERTS, {ALERT_STATE: ("=", "firing"), PRIORITY: ("=~", "P[0-3]"), **only})


def _counted() -> str:
    """Return how many alerts fire, with the label `worst` that says what the worst of them does."""
    count = f"count({firing()})"
    answers = [
        f"({count} and on() count({firing(*severities)}))"
        for severities in ((SEVERITY[Priority.P0], SEVERITY[Priority.P1]), (SEVERITY[Priority.P2],))
    ] + [count, "vector(0)"]
    # The first that there is hides those behind it.
    return " or on() ".join(
        f'label_replace({answer}, "{_WORST.name}", "{word}", "", "")'
        for word, answer in zip(_ALERT_COLOURS, answers, strict=True)
    )


def _state_expression() -> str:
    failing = share(rate(REQUESTS, (), FAILED, window=NOW), rate(REQUESTS, window=NOW))
    slow = quantile(0.95, REQUEST_DURATION, window=NOW)
    (warn_errors, _), (bad_errors, _) = ERROR_STEPS
    (warn_latency, _), _ = LATENCY_STEPS
    judged = (
        f"clamp_max(2 * (({failing}) > bool {bad_errors:g})"
        # Two reasons to be degraded are still no failure.
        f" + clamp_max((({failing}) > bool {warn_errors:g})"
        f" + ({slow} > bool {warn_latency:g}), 1), 2)"
    )
    down = f"vector(4) and on() ((sum({select(UP, {JOB: SERVICE_JOB})}) or vector(0)) == 0)"
    return f"({down}) or on() ({judged}) or on() vector(3)"
