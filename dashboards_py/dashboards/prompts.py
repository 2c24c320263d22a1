"""Prompts: what was asked, what was answered, and what came of it?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.filters import SHOWN, SHOWN_COLUMNS, TRACE_FILTER, choices, releases
from dashboards_py.links import (
    MODEL_POINT_TO_TRACES,
    MODEL_TO_PAGES,
    span_columns,
    time_column,
    trace_column,
)
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Link,
    Panel,
    PromQL,
    Section,
    TraceQL,
    Unit,
    Variable,
    bars,
    chart,
    go_to,
    ranking,
    table,
    trace_view,
)
from dashboards_py.panels.style import BLUE, ERROR_STEPS
from dashboards_py.promql import increase, legend, over, rate, share
from dashboards_py.sql import read
from dashboards_py.tables import STATUS_WORDS
from exporter.metrics.catalog import COST, MODEL, OUTCOME, REQUESTS, TOKEN_TYPE, TOKENS

_SEARCH = Variable("search", "Words")
_SPAN = Variable("span_id", "Span id")
_TRACE = Variable("trace_id", "Trace id")
_INSPECT = Link(
    "Read it", go_to(uids.PROMPTS, span_id="${__data.fields.SpanId}", search="${search}")
)
_READ = Link(
    "Read it",
    go_to(uids.PROMPTS, trace_id="${__data.fields.traceIdHidden}", search="${search}"),
)
_WRITTEN = {TOKEN_TYPE: ("=~", "output.*|reasoning")}
_ASKED = {TOKEN_TYPE: ("=~", "input.*|cache_.*")}


def board(*, deep: bool) -> Board:
    """Find a prompt, read it whole, then see what prompts use and how they end."""
    return Board(
        uid=uids.PROMPTS,
        title="LLM prompts",
        question="What was asked and answered, what did it use and cost, and how did it end?",
        variables=(*choices(), _SEARCH, _SPAN if deep else _TRACE),
        annotations=(releases(deep=deep),),
        sections=(
            Section("Find and read", _read(deep=deep)),
            Section("What prompts use, and how they end", _use(deep=deep)),
        ),
    )


def _read(*, deep: bool) -> list[Panel]:
    if not deep:
        return [
            table(
                "Find", "The newest calls whose prompt holds the text above, in any case. Click "
                "an id to read it below.",
                TraceQL(
                    f"{{ {TRACE_FILTER} && span.gen_ai.input.messages =~ `(?is).*${{search}}.*` }}"
                    f" | select({SHOWN})",
                    table="spans", limit=100,
                ),
                columns=span_columns(
                    *SHOWN_COLUMNS,
                    Column(field="gen_ai.input.messages", title="Prompt"),
                    span=Column(field="spanID", title="Span", links=(_READ,), width=150),
                ),
                width=24, height=9,
            ),
            trace_view(
                "Read", "The trace whose id is chosen above. A call's prompt and answer are "
                "attributes of its span.",
                TraceQL("$trace_id"), width=24, height=14,
            ),
        ]  # fmt: skip
    return [
        table(
            "Find", "Calls whose prompt or answer holds all the words above, newest first. Click a "
            "prompt to read it whole.",
            SQL(read("prompt_search")),
            columns=(
                time_column("Timestamp", "Started"),
                trace_column(width=95),
                Column(field="SpanId", title="Span", links=(_INSPECT,), width=95),
                Column(field="service", title="Service", width=115),
                Column(field="model", title="Model", width=135, links=MODEL_TO_PAGES),
                Column(field="status", title="Status", words=STATUS_WORDS, width=69),
                Column(field="prompt", title="Prompt", links=(_INSPECT,)),
                Column(field="answer", title="Answer"),
                Column(field="finish_reason", title="Ended by", width=90),
                Column(field="tokens", title="Tokens", unit=Unit.COUNT, width=75),
                Column(field="cost", title="Cost", unit=Unit.DOLLARS, decimals=5, width=85),
                Column(
                    field="duration", title="Duration", unit=Unit.NANOSECONDS, decimals=2, width=90,
                ),
            ),
            width=24, height=10,
        ),
        table(
            "Read", "The call whose span id is chosen above, else the newest: instructions, "
            "prompt and answer.",
            SQL(read("prompt_inspector")),
            columns=(
                Column(field="part", title="Part", width=100),
                Column(field="text", title="Text", wrap=True),
            ),
            width=24, height=12, tall=True,
        ),
    ]  # fmt: skip


def _use(*, deep: bool) -> list[Panel]:
    calls = rate(REQUESTS, (MODEL,))
    endings = (
        bars(
            "Finish reasons", "Why answers ended. `length` means cut off.",
            SQL(read("finish_reasons")),
            unit=Unit.COUNT, category="reason", horizontal=True, width=8, legend=False,
            colours={"calls": BLUE},
        )
        if deep
        else ranking(
            "How calls end", "Calls in the range by outcome: `truncated` means cut off.",
            PromQL(f"{increase(REQUESTS, (OUTCOME,))} > 0", legend(OUTCOME), instant=True),
            unit=Unit.COUNT,
        )
    )  # fmt: skip
    panels = [
        chart(
            "Input tokens per call", "Mean length of what is asked, by model.",
            PromQL(over(rate(TOKENS, (MODEL,), _ASKED), calls), legend(MODEL)),
            unit=Unit.COUNT, width=8, links=(MODEL_POINT_TO_TRACES,),
        ),
        chart(
            "Output tokens per call", "Mean length of what is answered, by model.",
            PromQL(over(rate(TOKENS, (MODEL,), _WRITTEN), calls), legend(MODEL)),
            unit=Unit.COUNT, width=8, links=(MODEL_POINT_TO_TRACES,),
        ),
        endings,
        chart(
            "Cost per call", "Mean US dollars of a call, by model.",
            PromQL(over(rate(COST, (MODEL,)), calls), legend(MODEL)),
            unit=Unit.DOLLARS, width=12, links=(MODEL_POINT_TO_TRACES,),
        ),
        chart(
            "Answers cut off", "Share of a model's answers that ended at a length limit.",
            PromQL(
                share(rate(REQUESTS, (MODEL,), {OUTCOME: "truncated"}), calls), legend(MODEL)
            ),
            unit=Unit.SHARE, width=12, thresholds=ERROR_STEPS, links=(MODEL_POINT_TO_TRACES,),
        ),
    ]  # fmt: skip
    if not deep:
        return panels
    return [
        *panels,
        table(
            "Prompt versions", "What each version of a prompt uses, costs, and how it fails.",
            SQL(read("prompt_versions")),
            columns=(
                Column(field="version", title="Version"),
                Column(field="calls", title="Calls", unit=Unit.WHOLE),
                Column(
                    field="input_per_call", title="Input per call", unit=Unit.WHOLE, decimals=0,
                ),
                Column(
                    field="output_per_call", title="Output per call", unit=Unit.WHOLE, decimals=0,
                ),
                Column(field="cost_per_call", title="Cost per call", unit=Unit.DOLLARS, decimals=5),
                Column(
                    field="truncated", title="Cut off", unit=Unit.SHARE, decimals=1,
                    steps=ERROR_STEPS,
                ),
                Column(
                    field="errors", title="Errors", unit=Unit.SHARE, decimals=1, steps=ERROR_STEPS,
                ),
            ),
            height=7,
        ),
    ]  # fmt: skip
