"""Overview: is it healthy? And if not, which model?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.dashboards._now import FAILED, NOW, alerts, firing, state
from dashboards_py.dashboards._usual import usual_or_not
from dashboards_py.filters import choices, releases
from dashboards_py.links import MODEL_POINT, MODEL_TO_PAGES, POINT_TO_TRACES
from dashboards_py.own_metrics import (
    ALERT_NAME,
    PRIORITY,
)
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Link,
    Panel,
    PromQL,
    Section,
    Unit,
    chart,
    go_to,
    number,
    table,
)
from dashboards_py.panels.style import (
    ERROR_STEPS,
    LATENCY_STEPS,
    PERCENTILE_COLOURS,
    TOKEN_COLOURS,
)
from dashboards_py.promql import (
    RANGE,
    increase,
    legend,
    mean,
    names,
    quantile,
    rate,
    share,
)
from dashboards_py.sql import read
from dashboards_py.tables import column_of, instant, joined
from exporter.metrics.catalog import (
    COST,
    MODEL,
    PROVIDER,
    REQUEST_DURATION,
    REQUESTS,
    TIME_TO_FIRST_TOKEN,
    TOKEN_TYPE,
    TOKENS,
)

_HOUR_S = 3600


def board(*, deep: bool) -> Board:
    """Answer within three seconds, then point to the model."""
    return Board(
        uid=uids.OVERVIEW,
        title="LLM overview",
        question="Is it healthy? What is used and spent, and by which model?",
        variables=choices(),
        annotations=(releases(deep=deep),),
        sections=(
            Section("", _state(deep=deep)),
            Section("Traffic, errors and latency", _traffic()),
            Section("Use and cost", _use()),
            Section("By model", (_models(),)),
            Section("Is this usual? The band is the mean of the same hour of the last four weeks "
                    "plus and minus two standard deviations", usual_or_not()),
        ),
    )  # fmt: skip


def _state(*, deep: bool) -> list[Panel]:
    per_hour = f"{_HOUR_S} * {rate(COST)}"
    return [
        state(),
        alerts(),
        number(
            "Requests", "Calls to model providers per second.",
            PromQL(rate(REQUESTS)), unit=Unit.REQUESTS_PER_SECOND, width=3, height=5, graph=False,
            links=(POINT_TO_TRACES,),
        ),
        number(
            "Errors",
            "Share of the calls of the last five minutes that failed. From 1 % on degraded, from "
            "10 % on failing.",
            PromQL(share(rate(REQUESTS, (), FAILED, window=NOW), rate(REQUESTS, window=NOW))),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, decimals=1, width=2, height=5,
            graph=False,
            links=(Link("What fails", go_to(uids.ERRORS_AND_LIMITS)),),
        ),
        number(
            "Latency",
            "Half, 95 % and 99 % of the calls of the last five minutes were faster than this.",
            *(PromQL(quantile(q, REQUEST_DURATION, window=NOW), name)
              for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))),
            unit=Unit.SECONDS, thresholds=LATENCY_STEPS, width=5, height=5, text="value_and_name",
            graph=False, decimals=2,
            links=(Link("Latency", go_to(uids.LATENCY)),),
        ),
        number(
            "Tokens", "Tokens per second, of all kinds.",
            PromQL(rate(TOKENS)), unit=Unit.TOKENS_PER_SECOND, width=3, height=5, decimals=0,
            graph=False,
        ),
        number(
            "Cost per hour", "US dollars per hour at the present rate.",
            PromQL(per_hour), unit=Unit.DOLLARS, width=2, height=5, decimals=2, graph=False,
            links=(Link("Cost", go_to(uids.COST)),),
        ),
        _cost_per_day(deep=deep),
    ]  # fmt: skip


def _cost_per_day(*, deep: bool) -> Panel:
    description = (
        "US dollars since midnight (UTC), and of yesterday up to the same time."
        if deep
        else "US dollars of the last 24 hours, and of the 24 hours before."
    )
    queries = (
        (SQL(read("cost_today")),)
        if deep
        else (
            PromQL(increase(COST, window="1d"), "today", instant=True),
            PromQL(increase(COST, window="1d", offset="1d"), "yesterday", instant=True),
        )
    )
    return number(
        "Cost today and yesterday", description, *queries,
        unit=Unit.DOLLARS, width=4, height=5, graph=False, text="value_and_name", decimals=2,
        links=(Link("Cost", go_to(uids.COST)),),
    )  # fmt: skip


def _traffic() -> list[Panel]:
    failing = share(rate(REQUESTS, (MODEL,), FAILED), rate(REQUESTS, (MODEL,)))
    return [
        chart(
            "Requests by model", "Calls per second. Click a point to see its traces.",
            PromQL(rate(REQUESTS, (MODEL,)), legend(MODEL)),
            unit=Unit.REQUESTS_PER_SECOND, width=8, stacked=True, links=MODEL_POINT,
        ),
        chart(
            "Failed share by model",
            "Share of a model's calls that failed; the lines are 1 % and 10 %.",
            PromQL(failing, legend(MODEL)),
            unit=Unit.SHARE, width=8, thresholds=ERROR_STEPS, links=MODEL_POINT,
        ),
        chart(
            "Latency", "Percentiles of all calls. A dot is one call: click it to open its trace.",
            *(PromQL(quantile(q, REQUEST_DURATION), name, exemplars=name == "p99")
              for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))),
            unit=Unit.SECONDS, width=8, colours=PERCENTILE_COLOURS, links=(POINT_TO_TRACES,),
        ),
    ]  # fmt: skip


def _use() -> list[Panel]:
    return [
        chart(
            "Cost per hour by model", "US dollars per hour at the rate of each moment.",
            PromQL(f"{_HOUR_S} * {rate(COST, (MODEL,))}", legend(MODEL)),
            unit=Unit.DOLLARS, width=8, stacked=True, links=MODEL_POINT,
        ),
        chart(
            "Tokens by kind",
            "Tokens per second. The kinds are disjoint: they add up to the total.",
            PromQL(rate(TOKENS, (TOKEN_TYPE,)), legend(TOKEN_TYPE)),
            unit=Unit.TOKENS_PER_SECOND, width=8, stacked=True, colours=TOKEN_COLOURS,
            links=(POINT_TO_TRACES,),
        ),
        table(
            "Alerts that fire", "What wakes somebody, most urgent first; a P3 can wait.",
            PromQL(
                f"sum by ({names((PRIORITY, ALERT_NAME))}) ({firing()})", instant=True,
                format="table",
            ),
            columns=(
                Column(field=PRIORITY.name, title="Priority", width=83),
                Column(field=ALERT_NAME.name, title="Alert"),
                Column(field="Firing", unit=Unit.WHOLE, width=80),
            ),
            sort="Priority", ascending=True, width=8, height=8,
            transformations=joined((PRIORITY, ALERT_NAME), ("Firing",)),
        ),
    ]  # fmt: skip


def _models() -> Panel:
    by = (MODEL, PROVIDER)
    titles = (
        "Calls",
        "Errors", "p50", "p95", "First token p95", "Mean", "Tokens", "Cost", "Cost of 1000",
    )  # fmt: skip
    calls = increase(REQUESTS, by)
    return table(
        "Models",
        "Each model in the range. Click a model for its latency, cost, errors or traces.",
        *instant(
            calls,
            share(increase(REQUESTS, by, FAILED), calls),
            quantile(0.5, REQUEST_DURATION, by, window=RANGE),
            quantile(0.95, REQUEST_DURATION, by, window=RANGE),
            quantile(0.95, TIME_TO_FIRST_TOKEN, by, window=RANGE),
            mean(REQUEST_DURATION, by, window=RANGE),
            increase(TOKENS, by),
            increase(COST, by),
            f"1000 * {increase(COST, by)} / ({calls} > 0)",
        ),
        columns=(
            Column(field=MODEL.name, title="Model", width=170, links=MODEL_TO_PAGES),
            Column(field=PROVIDER.name, title="Provider", width=110),
            column_of("Calls", unit=Unit.WHOLE, decimals=0),
            column_of("Errors", unit=Unit.SHARE, decimals=1, steps=ERROR_STEPS),
            column_of("p50", unit=Unit.SECONDS, decimals=2),
            column_of("p95", unit=Unit.SECONDS, decimals=2, steps=LATENCY_STEPS),
            column_of("First token p95", unit=Unit.SECONDS, decimals=2),
            column_of("Mean", unit=Unit.SECONDS, decimals=2),
            column_of("Tokens", unit=Unit.COUNT, decimals=1),
            column_of("Cost", unit=Unit.DOLLARS, decimals=4, gauge=True),
            column_of("Cost of 1000", unit=Unit.DOLLARS, decimals=2),
        ),
        sort="Cost",
        transformations=joined(by, titles),
    )
