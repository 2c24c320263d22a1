"""Model comparison: which model is the better choice, by speed, reliability and price?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.filters import choices, releases
from dashboards_py.links import MODEL_POINT, MODEL_TO_PAGES
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Panel,
    PromQL,
    Section,
    Unit,
    chart,
    ranking,
    table,
)
from dashboards_py.panels.style import ERROR_STEPS, LATENCY_STEPS
from dashboards_py.promql import RANGE, increase, legend, over, quantile, rate, share
from dashboards_py.sql import read
from dashboards_py.tables import column_of, instant, joined
from exporter.metrics.catalog import (
    COST,
    MODEL,
    REQUEST_DURATION,
    REQUESTS,
    STATUS,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    TOKEN_TYPE,
    TOKENS,
)

_BY = (MODEL,)
_FAILED = {STATUS: "error"}
_CALLS = increase(REQUESTS, _BY)
# One figure for each model; a chart of it over time has the same name.
_FIGURES: tuple[tuple[str, str, Unit, str], ...] = (
    (
        "Cost of 1000 calls", "US dollars of a thousand calls, as they were used here.",
        Unit.DOLLARS, f"1000 * {over(increase(COST, _BY), _CALLS)}",
    ),
    (
        "Cost of 1M tokens", "US dollars of a million tokens of all kinds, caches included.",
        Unit.DOLLARS, f"1e6 * {over(increase(COST, _BY), increase(TOKENS, _BY))}",
    ),
    (
        "p95", "95th percentile of the duration.",
        Unit.SECONDS, quantile(0.95, REQUEST_DURATION, _BY, window=RANGE),
    ),
    (
        "First token p95", "95th percentile of the time to the first token.",
        Unit.SECONDS, quantile(0.95, TIME_TO_FIRST_TOKEN, _BY, window=RANGE),
    ),
    (
        "Errors", "Share of calls that failed.",
        Unit.SHARE, share(increase(REQUESTS, _BY, _FAILED), _CALLS),
    ),
    (
        "Tokens per call", "Mean number of tokens of a call.",
        Unit.COUNT, over(increase(TOKENS, _BY), _CALLS),
    ),
)  # fmt: skip


_DECIMALS = {Unit.DOLLARS: 3, Unit.SECONDS: 2, Unit.SHARE: 1}


def board(*, deep: bool) -> Board:
    """Side by side, then over time."""
    return Board(
        uid=uids.MODEL_COMPARISON,
        title="LLM model comparison",
        question="Which model is faster, cheaper, more reliable? Choose two or three above.",
        variables=choices(),
        annotations=(releases(deep=deep),),
        since="now-6h",
        sections=(
            Section("Side by side", _figures()),
            Section("In one table", [_table(deep=deep)]),
            Section("Over time", _over_time()),
        ),
    )


def _figures() -> list[Panel]:
    return [
        ranking(
            title, f"{description} By model, in the range.",
            PromQL(f"sort({expr})", legend(MODEL), instant=True),
            unit=unit, links=MODEL_POINT,
        )
        for title, description, unit, expr in _FIGURES
    ]  # fmt: skip


def _table(*, deep: bool) -> Panel:
    title = "Models"
    if deep:
        return table(
            title, "Exact figures from single calls. Click a model for its own pages.",
            SQL(read("models_compared")),
            columns=(
                Column(field="model", title="Model", width=185, links=MODEL_TO_PAGES),
                Column(field="provider", title="Provider", width=100),
                Column(field="calls", title="Calls", unit=Unit.WHOLE),
                Column(field="p50", title="p50", unit=Unit.NANOSECONDS, decimals=2),
                Column(field="p95", title="p95", unit=Unit.NANOSECONDS, decimals=2),
                Column(
                    field="ttft_p95", title="First token p95", unit=Unit.NANOSECONDS, decimals=2,
                    width=132,
                ),
                Column(
                    field="errors", title="Errors", unit=Unit.SHARE, decimals=1, steps=ERROR_STEPS,
                ),
                Column(
                    field="tokens_per_call", title="Tokens per call", unit=Unit.WHOLE, decimals=0,
                    width=132,
                ),
                Column(
                    field="output_per_call", title="Output per call", unit=Unit.WHOLE, decimals=0,
                    width=132,
                ),
                Column(
                    field="cost_per_1k_calls", title="Cost of 1000 calls",
                    unit=Unit.DOLLARS, decimals=3, width=153,
                ),
                Column(
                    field="cost_per_1m_tokens", title="Cost of 1M tokens",
                    unit=Unit.DOLLARS, decimals=3, width=146,
                ),
                Column(field="cost", title="Cost", unit=Unit.DOLLARS, decimals=4, gauge=True),
            ),
            height=8,
        )  # fmt: skip
    titles = ("Calls", *(figure[0] for figure in _FIGURES))
    return table(
        title, "The figures above in one table. Click a model for its own pages.",
        *instant(_CALLS, *(figure[3] for figure in _FIGURES)),
        columns=(
            Column(field=MODEL.name, title="Model", width=170, links=MODEL_TO_PAGES),
            column_of("Calls", unit=Unit.WHOLE, decimals=0),
            *(
                column_of(name, unit=unit, decimals=_DECIMALS.get(unit, 0))
                for name, _, unit, _ in _FIGURES
            ),
        ),
        sort="Calls", height=8,
        transformations=joined(_BY, titles),
    )  # fmt: skip


def _over_time() -> list[Panel]:
    written = {TOKEN_TYPE: ("=~", "output.*|reasoning")}
    asked = (
        ("Requests", "Calls per second.", Unit.REQUESTS_PER_SECOND, rate(REQUESTS, _BY), ()),
        (
            "p95 of the duration", "95th percentile.",
            Unit.SECONDS, quantile(0.95, REQUEST_DURATION, _BY), LATENCY_STEPS,
        ),
        (
            "p95 of the first token", "95th percentile of streamed calls.",
            Unit.SECONDS, quantile(0.95, TIME_TO_FIRST_TOKEN, _BY), (),
        ),
        (
            "Median time per output token", "How fast an answer flows.",
            Unit.SECONDS, quantile(0.5, TIME_PER_OUTPUT_TOKEN, _BY), (),
        ),
        (
            "Failed share", "Share of calls that failed.",
            Unit.SHARE, share(rate(REQUESTS, _BY, _FAILED), rate(REQUESTS, _BY)), ERROR_STEPS,
        ),
        (
            "Output tokens per call", "How talkative a model is.",
            Unit.COUNT, over(rate(TOKENS, _BY, written), rate(REQUESTS, _BY)), (),
        ),
    )  # fmt: skip
    return [
        chart(
            title, f"{description} By model.", PromQL(expr, legend(MODEL)),
            unit=unit, thresholds=steps, width=8, links=MODEL_POINT,
        )
        for title, description, unit, expr, steps in asked
    ]  # fmt: skip
