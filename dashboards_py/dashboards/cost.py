"""Cost: what is spent, on what, is it within budget, and can the figure be trusted?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.dashboards._budgets import budgets
from dashboards_py.dashboards._cost_quality import tokens, trust
from dashboards_py.filters import CALLS, PROFILE_SELECTOR, TRACE_FILTER, choices, releases
from dashboards_py.links import (
    MODEL_POINT_TO_TRACES,
    POINT_TO_TRACES,
    trace_column,
)
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Panel,
    Profile,
    PromQL,
    Section,
    TraceQL,
    Unit,
    Variable,
    bars,
    chart,
    flame_graph,
    node_graph,
    number,
    override,
    ranking,
    table,
)
from dashboards_py.panels.style import (
    BAD,
    BLUE,
    GOOD,
    GREY,
)
from dashboards_py.promql import FEATURE, TENANT, increase, legend, rate
from dashboards_py.sql import read
from dashboards_py.tables import instant, joined
from exporter.metrics.catalog import (
    COST,
    MODEL,
    PROVIDER,
    SERVICE,
    Label,
)

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_PERIOD = Variable("period", "Bars per", options=("hour", "day", "week", "month"))
# What is ranked: a panel's title, the label in Prometheus, the column in ClickHouse.
_RANKED: tuple[tuple[str, Label, str], ...] = (
    ("model", MODEL, "Model"),
    ("provider", PROVIDER, "Provider"),
    ("service", SERVICE, "ServiceName"),
    ("feature", FEATURE, "Feature"),
    ("tenant", TENANT, "Tenant"),
)


def board(*, deep: bool) -> Board:
    """From the sum, to what it is made of, to whether it is right."""
    return Board(
        uid=uids.COST,
        title="LLM cost",
        question="What is spent, on what and whom, where is it heading, and can it be trusted?",
        variables=(*choices(), *((_PERIOD,) if deep else ())),
        annotations=(releases(deep=deep),),
        since="now-24h",
        refresh="1m",
        sections=(
            Section("", _sums(deep=deep)),
            Section("Budgets", budgets()),
            Section("Over time", _over_time(deep=deep)),
            Section("Most expensive", _ranked(deep=deep)),
            Section("Where the money flows", _flow(deep=deep)),
            Section("Tokens and caches", tokens(deep=deep)),
            Section("Can it be trusted?", trust(deep=deep)),
        ),
    )


def _sums(*, deep: bool) -> list[Panel]:
    month = f"(days_in_month() * {_DAY_S})"
    return [
        number(
            "Cost in the range", "US dollars in the chosen range.",
            *((SQL(read("cost_sum")),) if deep else (PromQL(increase(COST), instant=True),)),
            unit=Unit.DOLLARS, decimals=2, graph=False, width=6,
        ),
        number(
            "Per hour", "US dollars per hour at the present rate.",
            PromQL(f"{_HOUR_S} * {rate(COST)}"), unit=Unit.DOLLARS, decimals=2, width=5,
        ),
        number(
            "Per day", "US dollars of the last 24 hours, and of the 24 hours before.",
            PromQL(increase(COST, window="1d"), "today", instant=True),
            PromQL(increase(COST, window="1d", offset="1d"), "day before", instant=True),
            unit=Unit.DOLLARS, decimals=2, graph=False, text="value_and_name", width=5,
        ),
        number(
            "This month, and its forecast",
            "US dollars since the month began (UTC), and at its end if the rest goes on like the "
            + ("last seven days." if deep else "month so far."),
            *(
                (SQL(read("cost_forecast")),)
                if deep
                else (
                    PromQL(increase(COST), "spent", instant=True),
                    PromQL(f"{increase(COST)} * {month} / $__range_s", "forecast", instant=True),
                )
            ),
            unit=Unit.DOLLARS, decimals=2, graph=False, text="value_and_name", width=8,
            time_from="" if deep else "now/M",
        ),
    ]  # fmt: skip


def _over_time(*, deep: bool) -> list[Panel]:
    rates = chart(
        "Cost rate by model", "US dollars per hour at the rate of each moment.",
        PromQL(f"{_HOUR_S} * {rate(COST, (MODEL,))}", legend(MODEL)),
        unit=Unit.DOLLARS, stacked=True, links=(MODEL_POINT_TO_TRACES,),
    )  # fmt: skip
    if deep:
        sums = chart(
            "Cost per period by model",
            "US dollars of each hour, day, week or month, whole periods. From ClickHouse, which "
            "is the cost of record.",
            SQL(read("cost_by_period"), "time_series"),
            unit=Unit.DOLLARS, stacked=True, bars=True, display_name="${__field.labels.model}",
            links=(MODEL_POINT_TO_TRACES,), calcs=("sum", "max"),
        )  # fmt: skip
    else:
        sums = chart(
            "Cost per hour by model", "US dollars of each hour.",
            PromQL(increase(COST, (MODEL,), window="1h"), legend(MODEL)),
            unit=Unit.DOLLARS, stacked=True, bars=True, min_interval="1h",
            links=(MODEL_POINT_TO_TRACES,), calcs=("sum", "max"),
        )  # fmt: skip
    return [sums, rates]


def _ranked(*, deep: bool) -> list[Panel]:
    panels = [
        bars(
            f"By {title}", f"The most expensive by {title} in the range, US dollars, whole hours.",
            SQL(read("cost_by", dimension=column)),
            unit=Unit.DOLLARS, category="name", horizontal=True, width=8, legend=False,
            colours={"cost": BLUE},
        )
        if deep
        else ranking(
            f"By {title}",
            f"The most expensive by {title} in the range, US dollars."
            + (f" Needs the metric label `{label.name}`." if label in {FEATURE, TENANT} else ""),
            PromQL(f"topk(10, {increase(COST, (label,))} > 0)", legend(label), instant=True),
            unit=Unit.DOLLARS,
        )
        for title, label, column in _RANKED
    ]  # fmt: skip
    if not deep:
        return [*panels, _core_users()]
    return [
        *panels,
        table(
            "By user", "The most expensive users, and the dearest trace of each.",
            SQL(read("cost_by_user")),
            columns=(
                Column(field="user", title="User"),
                Column(field="cost", title="Cost", unit=Unit.DOLLARS, decimals=3, width=70),
                Column(field="calls", title="Calls", unit=Unit.WHOLE, width=62),
                Column(field="tokens", title="Tokens", unit=Unit.COUNT, width=75),
                Column(field="sessions", title="Sessions", unit=Unit.WHOLE, width=83),
                trace_column("dearest_trace", width=100),
            ),
            width=8, height=8,
        ),
    ]  # fmt: skip


def _core_users() -> Panel:
    """Users are never a metric's label, so the spans are measured."""
    per_user = "sum_over_time(span.observatory.cost_usd) by (span.observatory.user)"
    return chart(
        "By user", "US dollars of each interval, user by user.",
        TraceQL(f"{{ {TRACE_FILTER} && {CALLS} }} | {per_user}", metrics=True),
        unit=Unit.DOLLARS, width=8, stacked=True, bars=True, min_interval="5m", calcs=("sum",),
        links=(POINT_TO_TRACES,),
    )  # fmt: skip


def _flow(*, deep: bool) -> list[Panel]:
    if not deep:
        return [
            flame_graph(
                "Where the money goes",
                "Cost by the path through the application: the wider, the dearer.",
                Profile("llm:cost:nUSD:llm:count", f"{{{PROFILE_SELECTOR}}}"),
                unit=Unit.NANO_DOLLARS, width=12, height=12,
            ),
            bars(
                "Against the range before",
                "US dollars by model, in this range and the one before.",
                *instant(
                    increase(COST, (MODEL,), offset="$__range"), increase(COST, (MODEL,))
                ),
                unit=Unit.DOLLARS, category=MODEL.name, colours={"before": GREY, "now": BLUE},
                transformations=joined((MODEL,), ("before", "now")), height=12,
            ),
        ]  # fmt: skip
    return [
        node_graph(
            "From model to feature to user",
            "Where money flows: the thicker an arrow, the more. Users beyond the ten dearest are "
            "one node.",
            SQL(read("flow_nodes"), ref_id="nodes"), SQL(read("flow_edges"), ref_id="edges"),
            overrides=(
                override("mainstat", displayName="Cost", unit=Unit.DOLLARS.value, decimals=3),
                override("secondarystat", displayName="Share", unit=Unit.SHARE.value),
            ),
        ),
        flame_graph(
            "Feature, service, model, user",
            "The same money as nested areas: width is cost. Click an area to look into it.",
            SQL(read("cost_map")), unit=Unit.NANO_DOLLARS, width=12, height=12,
        ),
        bars(
            "Waterfall: the range before to this one",
            "From the cost of the range before to that of this one, model by model: + rises, "
            "- falls. Whole hours.",
            SQL(read("cost_waterfall")),
            unit=Unit.DOLLARS, category="step", stacked=True, width=24, height=9,
            colours={"total": BLUE, "rise": BAD, "fall": GOOD},
            overrides=(_INVISIBLE_BASE,),
        ),
    ]  # fmt: skip


_INVISIBLE_BASE = {
    "matcher": {"id": "byName", "options": "base"},
    "properties": [
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.hideFrom", "value": {"legend": True, "tooltip": True, "viz": False}},
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "transparent"}},
    ],
}
