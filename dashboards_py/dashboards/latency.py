"""Latency: how long do people wait, for which model, and for what?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.filters import (
    SHOWN,
    SHOWN_COLUMNS,
    STATUS_CHOICE,
    STATUS_CHOSEN,
    TRACE_FILTER,
    choices,
    releases,
)
from dashboards_py.links import (
    MODEL_POINT_TO_TRACES,
    MODEL_TO_PAGES,
    POINT_TO_TRACES,
    span_columns,
    time_column,
    trace_column,
)
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Panel,
    PromQL,
    Section,
    TraceQL,
    Unit,
    bars,
    chart,
    heatmap,
    number,
    ranking,
    table,
)
from dashboards_py.panels.style import (
    BLUE,
    LATENCY_STEPS,
    ORANGE,
    PERCENTILE_COLOURS,
    Steps,
)
from dashboards_py.promql import (
    LE,
    RANGE,
    RATE_WINDOW,
    increase,
    legend,
    mean,
    quantile,
    within,
)
from dashboards_py.sql import read
from dashboards_py.tables import STATUS_WORDS
from exporter.metrics.catalog import (
    MODEL,
    OPERATION,
    REQUEST_DURATION,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
)

_QUANTILES = ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"))
# The buckets nearest to what people feel: at once, soon, too late.
_FIRST_TOKEN_BOUND_S = 1.28
_DURATION_BOUND_S = 10.24
_FIRST_TOKEN_STEPS: Steps = ((2.0, ORANGE),)


def board(*, deep: bool) -> Board:
    """From all calls, to models, to single slow ones."""
    return Board(
        uid=uids.LATENCY,
        title="LLM latency",
        question="How long do people wait, for which model, and is it the first token or the rest?",
        variables=(*choices(), STATUS_CHOICE),
        annotations=(releases(deep=deep),),
        sections=(
            Section("", _now()),
            Section("Duration of calls", _durations()),
            Section("First token, and each token after it", _tokens()),
            Section("Where the time goes", [_parts(deep=deep), _slowest(deep=deep)]),
        ),
    )


def _now() -> list[Panel]:
    return [
        *(
            number(
                name,
                f"{share:.0%} of the range's calls were faster.",
                PromQL(
                    quantile(share, REQUEST_DURATION, (), STATUS_CHOSEN, window=RANGE),
                    instant=True,
                ),
                unit=Unit.SECONDS, thresholds=LATENCY_STEPS, graph=False, decimals=2,
            )
            for share, name in _QUANTILES
        ),
        number(
            "First token p95",
            "95 % of the range's streamed calls showed their first token sooner.",
            PromQL(quantile(0.95, TIME_TO_FIRST_TOKEN, window=RANGE), instant=True),
            unit=Unit.SECONDS, thresholds=_FIRST_TOKEN_STEPS, graph=False, decimals=2,
        ),
        number(
            f"Within {_DURATION_BOUND_S:g} s",
            "Share of calls that were done within this time, over time.",
            PromQL(within(REQUEST_DURATION, _DURATION_BOUND_S)),
            unit=Unit.SHARE, decimals=1,
        ),
    ]  # fmt: skip


def _durations() -> list[Panel]:
    return [
        chart(
            "Percentiles",
            "Of all chosen calls. A dot is one call: click it to open its trace.",
            *(
                PromQL(
                    quantile(share, REQUEST_DURATION, (), STATUS_CHOSEN), name,
                    exemplars=name == "p99",
                )
                for share, name in _QUANTILES
            ),
            unit=Unit.SECONDS, colours=PERCENTILE_COLOURS, links=(POINT_TO_TRACES,),
        ),
        chart(
            "p95 by model",
            "Click a point to see that model's traces around that time.",
            PromQL(
                quantile(0.95, REQUEST_DURATION, (MODEL,), STATUS_CHOSEN), legend(MODEL),
                exemplars=True,
            ),
            unit=Unit.SECONDS, links=(MODEL_POINT_TO_TRACES,), thresholds=LATENCY_STEPS,
        ),
        heatmap(
            "Every call, by duration",
            "How many calls took how long. Two bands are two kinds of calls; a band that moves up "
            "is a model that got slower. Dots are single calls with a trace.",
            PromQL(
                increase(
                    REQUEST_DURATION, (LE,), STATUS_CHOSEN, suffix="_bucket", window=RATE_WINDOW
                ),
                legend(LE), format="heatmap", exemplars=True,
            ),
            unit=Unit.SECONDS, links=(POINT_TO_TRACES,),
        ),
        ranking(
            "p95 by operation",
            "95th percentile in the range: chats, embeddings, image calls.",
            PromQL(
                quantile(0.95, REQUEST_DURATION, (OPERATION,), STATUS_CHOSEN, window=RANGE),
                legend(OPERATION), instant=True,
            ),
            unit=Unit.SECONDS, width=24, height=5,
        ),
    ]  # fmt: skip


def _tokens() -> list[Panel]:
    return [
        chart(
            "Time to first token by model",
            "95th percentile: how long a person looks at an empty screen. Only streamed calls.",
            PromQL(
                quantile(0.95, TIME_TO_FIRST_TOKEN, (MODEL,)), legend(MODEL), exemplars=True
            ),
            unit=Unit.SECONDS, links=(MODEL_POINT_TO_TRACES,), thresholds=_FIRST_TOKEN_STEPS,
        ),
        chart(
            "Time per output token by model",
            "Median time between tokens after the first: how fast an answer flows.",
            PromQL(quantile(0.5, TIME_PER_OUTPUT_TOKEN, (MODEL,)), legend(MODEL)),
            unit=Unit.SECONDS, links=(MODEL_POINT_TO_TRACES,),
        ),
        chart(
            f"First token within {_FIRST_TOKEN_BOUND_S:g} s",
            "Share of streamed calls by model: a service level, which percentiles are not.",
            PromQL(within(TIME_TO_FIRST_TOKEN, _FIRST_TOKEN_BOUND_S, (MODEL,)), legend(MODEL)),
            unit=Unit.SHARE, highest=1, links=(MODEL_POINT_TO_TRACES,),
        ),
        heatmap(
            "First tokens",
            "How many streamed calls showed their first token after how long.",
            PromQL(
                increase(TIME_TO_FIRST_TOKEN, (LE,), suffix="_bucket", window=RATE_WINDOW),
                legend(LE), format="heatmap",
            ),
            unit=Unit.SECONDS, width=12, height=8, links=(POINT_TO_TRACES,),
        ),
    ]  # fmt: skip


def _parts(*, deep: bool) -> Panel:
    title = "Prefill and decode by model"
    colours = {"prefill": BLUE, "decode": ORANGE}
    if deep:
        return bars(
            title,
            "Mean time to the first token, and from there to the end, of streamed calls.",
            SQL(read("prefill_and_decode")),
            unit=Unit.NANOSECONDS, category="Model", stacked=True, horizontal=True, width=24,
            height=7, colours=colours,
        )  # fmt: skip
    first = mean(TIME_TO_FIRST_TOKEN, (), window=RANGE)
    whole = mean(REQUEST_DURATION, (), window=RANGE)
    return ranking(
        title,
        "Mean time to the first token of streamed calls, and the mean duration of all calls.",
        PromQL(first, "prefill", instant=True),
        PromQL(whole, "whole call", instant=True),
        unit=Unit.SECONDS, width=24, height=5,
    )  # fmt: skip


def _slowest(*, deep: bool) -> Panel:
    title = "Slowest calls"
    if not deep:
        return table(
            title,
            "Calls that took longer than a second. Click an id to open the trace.",
            TraceQL(f"{{ {TRACE_FILTER} && duration > 1s }} | select({SHOWN})", table="spans"),
            columns=span_columns(*SHOWN_COLUMNS),
            sort="Duration", width=24, height=10,
        )  # fmt: skip
    return table(
        title,
        "The slowest calls of the range. Click an id to open the trace.",
        SQL(read("slowest_calls")),
        columns=(
            time_column("Timestamp", "Started"),
            trace_column(width=110),
            Column(field="ServiceName", title="Service", width=120),
            Column(field="Model", title="Model", width=130, links=MODEL_TO_PAGES),
            Column(field="Operation", title="Operation", width=90),
            Column(field="Status", title="Status", words=STATUS_WORDS, width=69),
            Column(field="Duration", title="Duration", unit=Unit.NANOSECONDS, decimals=2,
                   gauge=True),
            Column(field="TimeToFirstToken", title="First token", unit=Unit.NANOSECONDS,
                   decimals=2, width=104),
            Column(field="TimePerOutputToken", title="Per token", unit=Unit.NANOSECONDS,
                   decimals=1, width=90),
            Column(field="output_tokens", title="Output tokens", unit=Unit.COUNT, width=118),
            Column(field="CostUsd", title="Cost", unit=Unit.DOLLARS, decimals=4, width=80),
        ),
        width=24, height=10,
    )  # fmt: skip
