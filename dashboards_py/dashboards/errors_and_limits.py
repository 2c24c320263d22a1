"""Errors and limits: what fails, why, and is a provider's limit near?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.filters import SHOWN, SHOWN_COLUMNS, TRACE_FILTER, choices, releases
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
    chart,
    number,
    override_pattern,
    ranking,
    table,
)
from dashboards_py.panels.style import (
    ANY_WARNS,
    BLUE,
    ERROR_STEPS,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
)
from dashboards_py.promql import increase, legend, rate, share
from dashboards_py.sql import read
from exporter.metrics.catalog import (
    ERROR_TYPE,
    MODEL,
    OUTCOME,
    PROVIDER,
    REQUESTS,
    SERVICE,
    STATUS,
    TOOL,
    TOOL_CALLS,
    Label,
)

_FAILED = {STATUS: "error"}
_LIMITED = {OUTCOME: "rate_limited"}
# What a client usually tries again.
_RETRYABLE = {OUTCOME: ("=~", "rate_limited|timeout|server_error")}
_OUTCOMES = {
    "ok": GREEN,
    "rate_limited": ORANGE,
    "timeout": PURPLE,
    "cancelled": GREY,
    "invalid_request": BLUE,
    "auth": YELLOW,
    "content_filter": SKY,
    "server_error": VERMILION,
}


def board(*, deep: bool) -> Board:
    """How much fails, what kind it is, whose it is, and the messages."""
    return Board(
        uid=uids.ERRORS_AND_LIMITS,
        title="LLM errors and limits",
        question="What fails and why, whose fault is it, and how near is a provider's limit?",
        variables=choices(),
        annotations=(releases(deep=deep),),
        sections=(
            Section("", _now()),
            Section("What fails", _kinds()),
            Section("Limits and retries", _limits(deep=deep)),
            Section("Messages and traces", _messages(deep=deep)),
        ),
    )


def _now() -> list[Panel]:
    calls = rate(REQUESTS)
    return [
        number(
            "Failed", "Share of calls that fail now.",
            PromQL(share(rate(REQUESTS, (), _FAILED), calls)),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, decimals=1, width=6,
        ),
        number(
            "Rate limited", "Share of calls that a provider's limit refused (HTTP 429).",
            PromQL(share(rate(REQUESTS, (), _LIMITED), calls)),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, decimals=1, width=6,
        ),
        number(
            "Cut off or filtered",
            "Share of calls whose answer ended at a length limit or a filter.",
            PromQL(
                share(rate(REQUESTS, (), {OUTCOME: ("=~", "truncated|content_filter")}), calls)
            ),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, decimals=1, width=6,
        ),
        number(
            "Failed in the range", "Calls that failed.",
            PromQL(increase(REQUESTS, (), _FAILED), instant=True),
            unit=Unit.WHOLE, thresholds=ANY_WARNS, graph=False, decimals=0, width=6,
        ),
    ]  # fmt: skip


def _kinds() -> list[Panel]:
    def failing(by: tuple[Label, ...]) -> str:
        return share(rate(REQUESTS, by, _FAILED), rate(REQUESTS, by))

    return [
        chart(
            "By outcome", "Calls per second that were not simply ok, by kind.",
            PromQL(rate(REQUESTS, (OUTCOME,), {OUTCOME: ("!=", "ok")}), legend(OUTCOME)),
            unit=Unit.REQUESTS_PER_SECOND, stacked=True, bars=True, colours=_OUTCOMES,
            links=(POINT_TO_TRACES,),
        ),
        chart(
            "Failed share by provider", "A provider's outage shows here, whatever the model.",
            PromQL(failing((PROVIDER,)), legend(PROVIDER)),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, links=(POINT_TO_TRACES,),
        ),
        chart(
            "Failed share by model", "Click a point to see that model's traces.",
            PromQL(failing((MODEL,)), legend(MODEL)),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, links=(MODEL_POINT_TO_TRACES,), width=8,
        ),
        chart(
            "Failed share by service", "A fault of one service shows here.",
            PromQL(failing((SERVICE,)), legend(SERVICE)),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, links=(POINT_TO_TRACES,), width=8,
        ),
        ranking(
            "Error types", "Failed calls in the range, by the error's type as the sender names it.",
            PromQL(
                f"topk(10, {increase(REQUESTS, (ERROR_TYPE,), _FAILED)} > 0)", legend(ERROR_TYPE),
                instant=True,
            ),
            unit=Unit.WHOLE, empty="None",
        ),
    ]  # fmt: skip


def _limits(*, deep: bool) -> list[Panel]:
    limited = chart(
        "Rate limited, by model", "Share of a model's calls that were refused with 429.",
        PromQL(
            share(rate(REQUESTS, (MODEL,), _LIMITED), rate(REQUESTS, (MODEL,))), legend(MODEL)
        ),
        unit=Unit.SHARE, thresholds=ERROR_STEPS, links=(MODEL_POINT_TO_TRACES,), width=8,
    )  # fmt: skip
    if not deep:
        header = "span.http.response.header.x-ratelimit-remaining-requests"
        return [
            limited,
            table(
                "Remaining quota", "Calls whose answers say what is left of a limit.",
                TraceQL(f"{{ {header} != nil }} | select({header})", table="spans"),
                columns=span_columns(
                    Column(field="http.response.header.x-ratelimit-remaining-requests",
                           title="Requests left", unit=Unit.WHOLE, width=118),
                    # The panel is narrow.
                    *(Column(field=f, hidden=True) for f in ("traceService", "name", "duration")),
                ),
                width=8, height=8,
            ),
            chart(
                "Calls that clients try again", "Failures per second of the kinds that a client "
                "repeats: limits, timeouts and providers' faults.",
                PromQL(rate(REQUESTS, (MODEL,), _RETRYABLE), legend(MODEL)),
                unit=Unit.REQUESTS_PER_SECOND, width=8, links=(MODEL_POINT_TO_TRACES,),
            ),
        ]  # fmt: skip
    return [
        limited,
        chart(
            "Remaining quota", "The lowest numbers of requests and, dashed, of tokens left of "
            "a limit, where instrumentations record the headers of answers.",
            SQL(read("remaining_quota"), "time_series"),
            unit=Unit.COUNT, width=8, display_name="${__field.labels.Model} ${__field.name}",
            empty="No answer said what is left of a limit",
            overrides=(
                override_pattern(
                    ".* tokens", custom__axisPlacement="right",
                    custom__lineStyle={"fill": "dash", "dash": [8, 6]},
                ),
            ),
        ),
        table(
            "Retries", "Calls that follow a failed one of the same model below the same parent: "
            "how many helped, and what they cost.",
            SQL(read("retries")),
            columns=(
                Column(field="model", title="Model", links=MODEL_TO_PAGES),
                Column(field="retries", title="Retries", unit=Unit.WHOLE, width=76),
                Column(field="helped", title="Helped", unit=Unit.WHOLE, width=70),
                Column(
                    field="share", title="Share of calls", unit=Unit.SHARE, decimals=1, width=125,
                ),
                Column(field="cost", title="Cost", unit=Unit.DOLLARS, decimals=4, width=85),
            ),
            width=8, height=8, empty="No call was tried again",
        ),
    ]  # fmt: skip


def _messages(*, deep: bool) -> list[Panel]:
    failing_tools = ranking(
        "Tools that fail", "Failed executions in the range, by tool.",
        PromQL(
            f"topk(10, {increase(TOOL_CALLS, (TOOL,), _FAILED)} > 0)", legend(TOOL), instant=True
        ),
        unit=Unit.WHOLE, width=6, height=10, empty="None",
    )  # fmt: skip
    if not deep:
        return [
            table(
                "Failed traces", "The newest traces with a failed call; a span's status message is "
                "in the trace.",
                TraceQL(
                    f"{{ {TRACE_FILTER} && status = error }} | select(statusMessage, {SHOWN})",
                    table="spans", limit=50,
                ),
                columns=span_columns(
                    Column(field="statusMessage", title="Message"),
                    Column(field="status", title="Status", width=70),
                    *SHOWN_COLUMNS,
                ),
                width=18, height=10,
            ),
            failing_tools,
        ]  # fmt: skip
    return [
        table(
            "Top messages", "What providers said, most frequent first, with the newest trace.",
            SQL(read("error_messages")),
            columns=(
                # What stands beside the message leaves it the most of the width.
                Column(field="outcome", title="Outcome", width=100),
                Column(field="type", title="Type", width=160),
                Column(field="message", title="Message", wrap=True),
                Column(field="calls", title="Calls", unit=Unit.WHOLE, width=62),
                Column(field="services", title="Services", unit=Unit.WHOLE, width=83),
                Column(field="models", title="Models", width=130),
                time_column("last_seen", "Last seen"),
                trace_column("trace", width=110),
            ),
            width=18, height=10,
        ),
        failing_tools,
    ]  # fmt: skip
