"""Who hears of what: routes, inhibitions and times as data, for Alertmanager and for Grafana."""

from __future__ import annotations

from dataclasses import dataclass, field

from dashboards_py.thresholds import Site

PAGERDUTY, SLACK, QUIET = "pagerduty", "slack", "slack-quiet"
WEBHOOK, DEAD_MANS_SWITCH, NOBODY = "webhook", "dead-mans-switch", "nobody"
WORK_HOURS, OFF_HOURS = "work-hours", "off-hours"
# One incident, one message: what goes wrong with one provider for one service.
GROUP_BY = ("service_name", "provider")
BUDGET_STEPS = "LLMBudget(80|95|100)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One branch of the tree. Matchers are `name`, operator, value."""

    receiver: str
    matchers: tuple[tuple[str, str, str], ...]
    group_by: tuple[str, ...] = GROUP_BY
    group_wait: str = "30s"
    group_interval: str = "5m"
    repeat_interval: str = "4h"
    goes_on: bool = False
    """Whether the routes behind it are tried as well."""
    work_hours_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """While a source fires, targets with the same values of some labels are not told."""

    why: str
    source: tuple[tuple[str, str, str], ...]
    target: tuple[tuple[str, str, str], ...]
    equal: tuple[str, ...] = field(default=())


def routes(site: Site) -> tuple[Route, ...]:
    """Return the tree below the root, which is Slack: no alert is lost for want of a label."""
    switch = DEAD_MANS_SWITCH if site.dead_mans_switch_url else NOBODY
    watchdog = Route(
        receiver=switch,
        matchers=(("alertname", "=", "Watchdog"),),
        group_by=("alertname",),
        group_wait="0s",
        group_interval="1m",
        repeat_interval="5m",
    )
    webhook = Route(receiver=WEBHOOK, matchers=(("priority", "=~", "P[0-3]"),), goes_on=True)
    return (
        watchdog,
        *((webhook,) if site.webhook_url else ()),
        Route(
            receiver=PAGERDUTY, matchers=(("priority", "=", "P0"),), group_wait="10s", goes_on=True
        ),
        Route(
            receiver=PAGERDUTY,
            matchers=(("priority", "=", "P1"),),
            work_hours_only=True,
            goes_on=True,
        ),
        # Once per period, as far as Alertmanager remembers: its default is five days.
        Route(
            receiver=SLACK,
            matchers=(("alertname", "=~", BUDGET_STEPS),),
            group_by=("budget", "period"),
            repeat_interval="120h",
        ),
        Route(receiver=SLACK, matchers=(("priority", "=~", "P[0-2]"),)),
        Route(receiver=QUIET, matchers=(("priority", "=", "P3"),), repeat_interval="24h"),
    )


INHIBITIONS: tuple[Inhibition, ...] = (
    Inhibition(
        why="Without the observatory, what it says of others is old.",
        source=(("alertname", "=", "LLMObsDown"),),
        target=(("topic", "=~", "availability|latency|cost|quality"),),
    ),
    Inhibition(
        why="A service that cannot be scraped counts no spans.",
        source=(("alertname", "=", "LLMObsDown"),),
        target=(("alertname", "=~", "LLMExporterNoTraffic|LLMIngestLag"),),
    ),
    Inhibition(
        why="A page about a provider says it all, but for its cause; P3 has its quiet channel.",
        source=(("priority", "=", "P0"), ("service_name", "!=", "")),
        target=(("priority", "=~", "P1|P2"), ("alertname", "!~", "LLMRateLimited|LLMRetryStorm")),
        equal=("service_name", "provider"),
    ),
    Inhibition(
        why="The louder of two alerts about one model is enough.",
        source=(("priority", "=", "P1"), ("model", "!=", "")),
        target=(("priority", "=", "P2"),),
        equal=("service_name", "provider", "model"),
    ),
    Inhibition(
        why="No call succeeds: that many fail, and burn the budget, follows.",
        source=(("alertname", "=", "LLMProviderDown"),),
        target=(("alertname", "=~", "LLMErrorRateHigh|LLMErrorBudgetBurnFast"),),
        equal=("service_name", "provider"),
    ),
    Inhibition(
        why="A spent budget was at 80 and 95 % before, and its pace matters no more.",
        source=(("alertname", "=", "LLMBudget100"),),
        target=(("alertname", "=~", "LLMBudget(80|95|BurnRate.*|ForecastExceeded)"),),
        equal=("budget", "period"),
    ),
    Inhibition(
        why="95 % is more than 80 %.",
        source=(("alertname", "=", "LLMBudget95"),),
        target=(("alertname", "=", "LLMBudget80"),),
        equal=("budget", "period"),
    ),
    Inhibition(
        why="The fast burn is the slow burn, faster.",
        source=(("alertname", "=", "LLMBudgetBurnRateFast"),),
        target=(("alertname", "=", "LLMBudgetBurnRateSlow"),),
        equal=("budget", "period"),
    ),
)
