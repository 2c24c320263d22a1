"""Two sections of the cost dashboard: tokens and caches, and whether the figures are right."""

from __future__ import annotations

from dashboards_py.links import (
    MODEL_POINT_TO_TRACES,
    MODEL_TO_PAGES,
    dearest_columns,
    time_column,
    trace_column,
)
from dashboards_py.panels import (
    SQL,
    Column,
    Panel,
    PromQL,
    Unit,
    chart,
    number,
    ranking,
    table,
)
from dashboards_py.panels.style import (
    BAD,
    TOKEN_COLOURS,
    WARNING,
    Steps,
)
from dashboards_py.promql import increase, legend, over, rate, share
from dashboards_py.sql import read
from dashboards_py.tables import column_of, instant, joined
from exporter.metrics.catalog import (
    COST,
    COST_TYPE,
    ESTIMATED_COST,
    MODEL,
    REASON,
    REQUESTS,
    TOKEN_TYPE,
    TOKENS,
    UNPRICED,
)

_HOUR_S = 3600
_UNPRICED_STEPS: Steps = ((0.01, WARNING), (0.05, BAD))


def tokens(*, deep: bool) -> list[Panel]:
    """What was used, what it cost by kind, and what caches did."""
    read_tokens = {TOKEN_TYPE: "cache_read"}
    asked = {TOKEN_TYPE: ("=~", "input.*|cache_.*")}
    return [
        chart(
            "Tokens by kind", "Tokens per second. The kinds are disjoint and add up to the total.",
            PromQL(rate(TOKENS, (TOKEN_TYPE,)), legend(TOKEN_TYPE)),
            unit=Unit.TOKENS_PER_SECOND, stacked=True, colours=TOKEN_COLOURS, width=8,
        ),
        chart(
            "Cost by part", "US dollars per hour by what is paid for.",
            PromQL(f"{_HOUR_S} * {rate(COST, (COST_TYPE,))}", legend(COST_TYPE)),
            unit=Unit.DOLLARS, stacked=True, colours=TOKEN_COLOURS, width=8,
        ),
        chart(
            "Input served by caches",
            "Share of input tokens that a provider's cache served, by model.",
            PromQL(
                share(rate(TOKENS, (MODEL,), read_tokens), rate(TOKENS, (MODEL,), asked)),
                legend(MODEL),
            ),
            unit=Unit.SHARE, highest=1, width=8, links=(MODEL_POINT_TO_TRACES,),
        ),
        _savings(deep=deep),
    ]  # fmt: skip


def _savings(*, deep: bool) -> Panel:
    title = "What caches saved"
    if deep:
        return table(
            title,
            "US dollars that cached tokens would have cost more as plain input, less what writing "
            "them cost above it. Below zero the cache costs more than it saves.",
            SQL(read("cache_savings")),
            columns=(
                Column(field="Model", title="Model", links=MODEL_TO_PAGES),
                Column(field="read_tokens", title="Tokens from cache", unit=Unit.COUNT),
                Column(field="hit_share", title="Share of input", unit=Unit.SHARE, decimals=1),
                Column(
                    field="price", title="Input price of 1M tokens", unit=Unit.DOLLARS, decimals=3,
                ),
                Column(field="saved", title="Saved", unit=Unit.DOLLARS, decimals=4),
                Column(
                    field="write_surcharge", title="Paid for writing",
                    unit=Unit.DOLLARS, decimals=4,
                ),
                Column(field="net", title="Net", unit=Unit.DOLLARS, decimals=4),
            ),
            width=24, height=7,
        )  # fmt: skip
    by = (MODEL,)
    price = over(
        increase(COST, by, {COST_TYPE: "input"}),
        increase(TOKENS, by, {TOKEN_TYPE: ("=~", "input.*")}),
    )
    cached = increase(TOKENS, by, {TOKEN_TYPE: "cache_read"})
    paid = increase(COST, by, {COST_TYPE: "cache_read"})
    return table(
        title,
        "US dollars that tokens read from a cache would have cost more as plain input. What "
        "writing them cost is not taken off.",
        *instant(cached, f"{cached} * {price} - {paid}"),
        columns=(
            Column(field=MODEL.name, title="Model", links=MODEL_TO_PAGES),
            column_of("Tokens from cache", unit=Unit.COUNT),
            column_of("Saved", unit=Unit.DOLLARS, decimals=4),
        ),
        sort="Saved", width=24, height=7,
        transformations=joined(by, ("Tokens from cache", "Saved")),
    )  # fmt: skip


def trust(*, deep: bool) -> list[Panel]:
    """What has no price, what is estimated, and whether two counts agree."""
    panels = [
        number(
            "Calls without a price", "Share of calls that have no cost at all: their cost is not "
            "0, it is unknown.",
            PromQL(share(rate(UNPRICED), rate(REQUESTS))),
            unit=Unit.SHARE, thresholds=_UNPRICED_STEPS, decimals=1, width=4, height=7,
        ),
        ranking(
            "Why they have none", "Calls without a price in the range, by reason.",
            PromQL(f"{increase(UNPRICED, (REASON,))} > 0", legend(REASON), instant=True),
            unit=Unit.WHOLE, width=6, height=7, empty="None",
        ),
        number(
            "Counted, and estimated", "The range's cost, and the cost of calls whose tokens were "
            "estimated because they report none, which is not in it.",
            PromQL(increase(COST), "counted", instant=True),
            PromQL(increase(ESTIMATED_COST), "estimated", instant=True),
            unit=Unit.DOLLARS, decimals=3, graph=False, text="value_and_name", width=6, height=7,
        ),
    ]  # fmt: skip
    return [*panels, *(_deep_trust() if deep else [_unpriced_models()])]


def _unpriced_models() -> Panel:
    return ranking(
        "Models without a price", "Calls without a price in the range, by model.",
        PromQL(f"{increase(UNPRICED, (MODEL,))} > 0", legend(MODEL), instant=True),
        unit=Unit.WHOLE, width=8, height=7, empty="None",
    )  # fmt: skip


def _deep_trust() -> list[Panel]:
    return [
        number(
            "Prometheus against ClickHouse",
            "The range's cost from both. ClickHouse is the cost of record: Prometheus estimates "
            "the edges of the range and misses what was counted before its first scrape.",
            PromQL(increase(COST), "Prometheus", instant=True),
            SQL(read("cost_sum")),
            unit=Unit.DOLLARS, decimals=3, graph=False, text="value_and_name", width=8, height=7,
        ),
        table(
            "Models without a price", "Give them a price in the prices file, see docs/prices.md.",
            SQL(read("unpriced_models")),
            columns=(
                Column(field="Provider", title="Provider", width=90),
                Column(field="model", title="Model"),
                Column(field="reason", title="Reason", width=140),
                Column(field="calls", title="Calls", unit=Unit.WHOLE, width=70),
                Column(field="tokens", title="Tokens", unit=Unit.COUNT, width=80),
                time_column("first_seen", "First seen"),
                trace_column("trace", width=110),
            ),
            width=24, height=7,
        ),
        table(
            "Dearest traces", "The traces that cost most in the range.",
            SQL(read("dearest_traces")),
            columns=(
                *dearest_columns(trace_column(width=110)),
            ),
            width=24, height=7,
        ),
    ]  # fmt: skip
