"""Exporter health: can what the other dashboards show be trusted?"""

from __future__ import annotations

from dashboards_py import own_metrics as own
from dashboards_py import uids
from dashboards_py.filters import choices
from dashboards_py.links import time_column, trace_column
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Panel,
    PromQL,
    Section,
    TraceQL,
    Unit,
    chart,
    number,
    ranking,
    table,
    value_map,
)
from dashboards_py.panels.style import ANY_WARNS, BAD, BLUE, GOOD, SKY, WARNING, Steps
from dashboards_py.promql import (
    RATE_WINDOW,
    increase,
    legend,
    over,
    quantile,
    rate,
    select,
    share,
    total,
)
from dashboards_py.sql import read
from exporter.metrics.catalog import (
    MISSING_USAGE,
    OUTCOME,
    REASON,
    REQUESTS,
    SERVICE,
    UNPRICED,
)

_UP = select(own.UP, {own.JOB: own.SERVICE_JOB})
_AGE_STEPS: Steps = ((300, WARNING), (1800, BAD))
_UP_WORDS = value_map({"0": ("Down", BAD), "1": ("Up", GOOD)})


def board(*, deep: bool) -> Board:
    """From receiving, through waiting and writing, to the numbers' own quality."""
    return Board(
        uid=uids.EXPORTER_HEALTH,
        title="LLM Observatory health",
        question="Does everything that is sent arrive, soon, and is it counted in full?",
        variables=choices(),
        sections=(
            Section("", _state()),
            Section("Receiving", _receiving()),
            Section("Waiting and writing", _writing()),
            Section("Quality of the numbers", _quality(deep=deep)),
        ),
    )


def _state() -> list[Panel]:
    accepted = {OUTCOME: "accepted"}
    refused = {OUTCOME: ("!=", "accepted")}
    return [
        number(
            "Service", "Whether Prometheus can scrape the service.",
            PromQL(f"min({_UP}) or vector(0)", instant=True),
            unit=Unit.NONE, words=_UP_WORDS, filled=True, graph=False,
        ),
        number(
            "Version", "The version that runs.",
            PromQL(
                total(select(own.BUILD_INFO), (own.VERSION,)), legend(own.VERSION), instant=True
            ),
            unit=Unit.NONE, graph=False, text="name",
        ),
        number(
            "Spans", "Spans accepted per second.", PromQL(rate(own.SPANS, (), accepted)),
            unit=Unit.COUNT, decimals=1,
        ),
        number(
            "Spans lost",
            "Spans in the range that were rejected or dropped. The chart below says why.",
            PromQL(f"{increase(own.SPANS, (), refused)} or vector(0)", instant=True),
            unit=Unit.COUNT, thresholds=ANY_WARNS, graph=False, decimals=0,
        ),
        number(
            "Rows lost", "Rows in the range that ClickHouse refused, or that were given up.",
            PromQL(f"{increase(own.ROWS, (), {OUTCOME: ('!=', 'ok')})} or vector(0)", instant=True),
            unit=Unit.COUNT, thresholds=ANY_WARNS, graph=False, decimals=0,
        ),
        number(
            "Values beyond their limits",
            "Label values and series in the range that were counted as __overflow__.",
            PromQL(increase(own.OVERFLOW), instant=True),
            unit=Unit.COUNT, thresholds=ANY_WARNS, graph=False, decimals=0,
        ),
    ]  # fmt: skip


def _receiving() -> list[Panel]:
    return [
        chart(
            "OTLP requests", "Requests per second by outcome. Anything but ok was refused.",
            PromQL(rate(own.REQUESTS, (OUTCOME,)), legend(OUTCOME)),
            unit=Unit.REQUESTS_PER_SECOND, width=8, stacked=True, colours={"ok": GOOD},
        ),
        chart(
            "Spans", "Spans per second by outcome and reason.",
            PromQL(rate(own.SPANS, (OUTCOME, REASON)), legend(OUTCOME, REASON)),
            unit=Unit.COUNT, width=8, stacked=True,
        ),
        chart(
            "Bytes", "Bytes per second after decompression, by transport.",
            PromQL(rate(own.RECEIVED_BYTES, (own.TRANSPORT,)), legend(own.TRANSPORT)),
            unit=Unit.BYTES_PER_SECOND, width=8, stacked=True,
        ),
    ]  # fmt: skip


def _writing() -> list[Panel]:
    steps = quantile(0.95, own.STEP_DURATION, (own.STAGE,))
    inserts = quantile(0.95, own.INSERT_DURATION, (own.TABLE,))
    return [
        chart(
            "Waiting", "Bytes that wait to be processed, and rows that wait for ClickHouse. Both "
            "return to zero when all is well.",
            PromQL(total(select(own.QUEUE_BYTES)), "requests"),
            PromQL(total(select(own.BUFFER_BYTES)), "rows"),
            unit=Unit.BYTES, width=8, colours={"requests": BLUE, "rows": SKY},
        ),
        chart(
            "Spans on their way", "Spans whose traces are given time, and spans that wait for "
            "ClickHouse.",
            PromQL(total(select(own.HELD_SPANS)), "held"),
            PromQL(total(select(own.BUFFER_SPANS)), "to be written"),
            unit=Unit.COUNT, width=8,
        ),
        chart(
            "Rows written", "Rows per second by table and outcome.",
            PromQL(rate(own.ROWS, (own.TABLE, OUTCOME)), legend(own.TABLE, OUTCOME)),
            unit=Unit.COUNT, width=8,
        ),
        chart(
            "Time of a processing step", "95th percentile by stage.",
            PromQL(steps, legend(own.STAGE)), unit=Unit.SECONDS, width=8,
        ),
        chart(
            "Time of an insert", "95th percentile by table.",
            PromQL(inserts, legend(own.TABLE)), unit=Unit.SECONDS, width=8,
        ),
        chart(
            "Scrape", "Mean time to render /metrics, and whether the scrape came.",
            PromQL(
                over(
                    rate(own.SCRAPE_DURATION, suffix="_sum"),
                    rate(own.SCRAPE_DURATION, suffix="_count"),
                ),
                "rendering",
            ),
            unit=Unit.SECONDS, width=8,
        ),
        chart(
            "Memory", "Resident memory of the service.",
            PromQL(select(own.MEMORY, {own.JOB: own.SERVICE_JOB}), legend(own.INSTANCE)),
            unit=Unit.BYTES,
        ),
        chart(
            "Processor", "Cores in use by the service.",
            PromQL(
                f"rate({select(own.CPU, {own.JOB: own.SERVICE_JOB}, window=RATE_WINDOW)})",
                legend(own.INSTANCE),
            ),
            unit=Unit.COUNT,
        ),
    ]  # fmt: skip


def _quality(*, deep: bool) -> list[Panel]:
    calls = rate(REQUESTS, (SERVICE,))
    panels = [
        ranking(
            "Series by metric", "Label sets of each metric: what it costs Prometheus.",
            PromQL(
                f"topk(12, {total(select(own.SERIES), (own.METRIC,))} > 0)", legend(own.METRIC),
                instant=True,
            ),
            unit=Unit.COUNT, width=8, height=9,
        ),
        chart(
            "Calls without token counts", "Share of a service's calls that report no usage: fix "
            "the instrumentation.",
            PromQL(share(rate(MISSING_USAGE, (SERVICE,)), calls), legend(SERVICE)),
            unit=Unit.SHARE, width=8, height=9,
        ),
        chart(
            "Calls without a price", "Share of a service's calls that have no cost.",
            PromQL(share(rate(UNPRICED, (SERVICE,)), calls), legend(SERVICE)),
            unit=Unit.SHARE, width=8, height=9,
        ),
    ]  # fmt: skip
    if not deep:
        return [
            *panels,
            table(
                "Newest traces", "What arrived last: how fresh the data is.",
                TraceQL("{ }", limit=10),
                columns=(trace_column("traceID"),), height=7,
            ),
        ]  # fmt: skip
    return [
        *panels,
        table(
            "Freshness", "How old the newest span of each service is, in ClickHouse.",
            SQL(read("freshness")),
            columns=(
                Column(field="service", title="Service"),
                time_column("newest", "Newest span"),
                Column(field="age", title="Age", unit=Unit.SECONDS, steps=_AGE_STEPS),
                Column(field="spans", title="Spans", unit=Unit.COUNT),
            ),
            width=8,
        ),
        table(
            "Conventions", "Who speaks which convention, and whether its usage is understood.",
            SQL(read("conventions")),
            columns=(Column(field="without_usage", title="Without usage", steps=ANY_WARNS),),
            width=10,
        ),
        table(
            "Price lists", "The price lists that priced the range's calls.",
            SQL(read("price_versions")),
            columns=(time_column("last_used", "Last used"),),
            width=6,
        ),
        chart(
            "Stored", "Spans in ClickHouse by the time that they began.",
            SQL(read("row_counts"), "time_series"),
            unit=Unit.COUNT, width=24, height=6,
        ),
    ]  # fmt: skip
