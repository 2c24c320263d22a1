"""Exporter health: can what the other dashboards show be trusted?"""

from __future__ import annotations

from dashboards_py import own_metrics as own
from dashboards_py import uids
from dashboards_py.dashboards._health_quality import quality
from dashboards_py.filters import choices
from dashboards_py.panels import (
    Board,
    Panel,
    PromQL,
    Section,
    Unit,
    chart,
    number,
    override_pattern,
    value_map,
)
from dashboards_py.panels.style import (
    ANY_WARNS,
    BAD,
    BLUE,
    GOOD,
    PERCENTILE_COLOURS,
    SKY,
)
from dashboards_py.promql import (
    RATE_WINDOW,
    increase,
    legend,
    over,
    quantile,
    rate,
    select,
    total,
)
from dashboards_py.thresholds import Thresholds
from exporter.metrics.catalog import (
    OUTCOME,
    REASON,
    Metric,
)

_LIMITS = Thresholds()
_UP = select(own.UP, {own.JOB: own.SERVICE_JOB})
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
            Section("Questions", _questions()),
            Section("Quality of the numbers", quality(deep=deep)),
        ),
    )


def _state() -> list[Panel]:
    accepted = {OUTCOME: "accepted"}
    refused = {OUTCOME: ("!=", "accepted")}
    return [
        number(
            "Service", "Whether Prometheus can scrape the service.",
            PromQL(f"min({_UP}) or vector(0)", instant=True),
            unit=Unit.NONE, words=_UP_WORDS, filled=True, graph=False, width=3,
        ),
        number(
            "Version", "The version that runs.",
            PromQL(
                total(select(own.BUILD_INFO), (own.VERSION,)), legend(own.VERSION), instant=True
            ),
            unit=Unit.NONE, graph=False, text="name", width=3,
        ),
        number(
            "Spans", "Spans accepted per second.", PromQL(rate(own.SPANS, (), accepted)),
            unit=Unit.SPANS_PER_SECOND, decimals=1,
        ),
        number(
            "Lag", "99 % of spans are counted this soon after their end.",
            PromQL(quantile(0.99, own.INGEST_LAG)),
            unit=Unit.SECONDS, thresholds=((_LIMITS.ingest_lag_s, BAD),), decimals=1,
        ),
        number(
            "Spans lost",
            "Spans in the range that were rejected or dropped. The chart below says why.",
            PromQL(f"{increase(own.SPANS, (), refused)} or vector(0)", instant=True),
            unit=Unit.WHOLE, thresholds=ANY_WARNS, graph=False, decimals=0,
        ),
        number(
            "Rows lost", "Rows in the range that ClickHouse refused, or that were given up.",
            PromQL(f"{increase(own.ROWS, (), {OUTCOME: ('!=', 'ok')})} or vector(0)", instant=True),
            unit=Unit.WHOLE, thresholds=ANY_WARNS, graph=False, decimals=0, width=3,
        ),
        number(
            "Beyond limits",
            "Label values and series in the range that were counted as __overflow__.",
            PromQL(increase(own.OVERFLOW), instant=True),
            unit=Unit.WHOLE, thresholds=ANY_WARNS, graph=False, decimals=0, width=3,
        ),
    ]  # fmt: skip


def _receiving() -> list[Panel]:
    return [
        chart(
            "OTLP requests", "Requests per second by outcome. Anything but ok was refused.",
            PromQL(rate(own.REQUESTS, (OUTCOME,)), legend(OUTCOME)),
            unit=Unit.REQUESTS_PER_SECOND, width=6, stacked=True, colours={"ok": GOOD},
        ),
        chart(
            "Spans", "Spans per second by outcome and reason.",
            # Only what was refused has a reason.
            PromQL(rate(own.SPANS, (OUTCOME, REASON)), f"{legend(OUTCOME)} {legend(REASON)}"),
            unit=Unit.SPANS_PER_SECOND, width=6, stacked=True,
        ),
        chart(
            "Bytes", "Bytes per second after decompression, by transport.",
            PromQL(rate(own.RECEIVED_BYTES, (own.TRANSPORT,)), legend(own.TRANSPORT)),
            unit=Unit.BYTES_PER_SECOND, width=6, stacked=True,
        ),
        chart(
            "Lag", "Time from a span's end to its being counted: late senders show here.",
            PromQL(quantile(0.5, own.INGEST_LAG), "p50"),
            PromQL(quantile(0.99, own.INGEST_LAG), "p99"),
            unit=Unit.SECONDS, width=6, colours=PERCENTILE_COLOURS,
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
            "How full, now and in an hour",
            "Share of their limits that requests and rows fill; dashed, what it will be in an hour "
            "if it goes on as in the last fifteen minutes. Beyond 100 % senders are refused.",
            *(
                PromQL(expr, name)
                for waiting, limit, what in (
                    (own.QUEUE_BYTES, own.QUEUE_LIMIT, "requests"),
                    (own.BUFFER_BYTES, own.BUFFER_LIMIT, "rows"),
                )
                for expr, name in (
                    (f"{total(select(waiting))} / {total(select(limit))}", what),
                    (f"{_in_an_hour(waiting)} / {total(select(limit))}", f"{what} in an hour"),
                )
            ),
            unit=Unit.SHARE, width=8, colours={"requests": BLUE, "rows": SKY},
            overrides=(
                override_pattern(
                    ".* in an hour", custom__lineStyle={"fill": "dash", "dash": [8, 6]}
                ),
            ),
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
            unit=Unit.ROWS_PER_SECOND, width=8,
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
            unit=Unit.BYTES, width=8,
        ),
        chart(
            "Processor", "Cores in use by the service.",
            PromQL(
                f"rate({select(own.CPU, {own.JOB: own.SERVICE_JOB}, window=RATE_WINDOW)})",
                legend(own.INSTANCE),
            ),
            unit=Unit.COUNT, width=8,
        ),
    ]  # fmt: skip


def _questions() -> list[Panel]:
    return [
        chart(
            "Questions", "Questions per second by outcome: Grafana's, the data API's, reports'.",
            PromQL(rate(own.QUESTION_DURATION, (OUTCOME,), suffix="_count"), legend(OUTCOME)),
            unit=Unit.REQUESTS_PER_SECOND, width=8, empty="Nobody asked",
        ),
        chart(
            "Time of a question", "95th percentile by route.",
            PromQL(quantile(0.95, own.QUESTION_DURATION, (own.ROUTE,)), legend(own.ROUTE)),
            unit=Unit.SECONDS, width=8, empty="Nobody asked",
        ),
        chart(
            "Questions that pause",
            "How many questions at once wait, on average, because spans wait to be read.",
            PromQL(rate(own.QUESTION_PAUSE), "pausing"),
            unit=Unit.COUNT, width=8, empty="Nobody asked",
        ),
    ]  # fmt: skip


def _in_an_hour(waiting: Metric) -> str:
    return f"clamp_min(sum(predict_linear({select(waiting, window='15m')}, 3600)), 0)"
