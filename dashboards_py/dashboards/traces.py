"""Traces: what happens now, and what exactly happened in this one?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.dashboards.flame_graphs import COST_PROFILE
from dashboards_py.filters import CALLS, STATUS_CHOICE, TRACE_FILTER, choices, releases
from dashboards_py.links import time_column, trace_column, trace_columns
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Panel,
    Profile,
    PromQL,
    Section,
    ServiceMap,
    TraceQL,
    Unit,
    Variable,
    chart,
    flame_graph,
    node_graph,
    table,
    trace_view,
    value_map,
)
from dashboards_py.panels.style import ANY_WARNS, GOOD, STATUS_COLOURS, WARNING
from dashboards_py.promql import legend, rate
from dashboards_py.sql import read
from exporter.metrics.catalog import REQUESTS, STATUS

_TRACE_ID = Variable("trace_id", "Trace id")
_TRACEQL = Variable("traceql", "TraceQL", default=f"{{ {CALLS} }}")
_STATES = value_map({"running": ("running", WARNING), "finished": ("finished", GOOD)})


def board(*, deep: bool) -> Board:
    """Find a trace, open it, see what surrounds it."""
    return Board(
        uid=uids.TRACES,
        title="LLM traces",
        question="What runs now, which traces match, and what happened in this one?",
        variables=(*choices(), STATUS_CHOICE, _TRACE_ID, _TRACEQL),
        annotations=(releases(deep=deep),),
        refresh="10s",
        sections=(
            Section("Find", _find(deep=deep)),
            Section("Trace $trace_id", _one()),
            Section("Who calls whom", _map()),
        ),
    )


def _find(*, deep: bool) -> list[Panel]:
    recent = (
        table(
            "Running and recent", "The newest traces of the range; one without its root is still "
            "running. Click an id to open it below.",
            SQL(read("recent_traces")),
            columns=(
                trace_column(),
                time_column("started", "Started"),
                Column(field="service", title="Service", width=150),
                Column(field="name", title="Name"),
                Column(field="state", title="State", words=_STATES, width=90),
                Column(
                    field="duration", title="Duration", unit=Unit.NANOSECONDS, decimals=2, width=90,
                ),
                Column(field="spans", title="Spans", unit=Unit.WHOLE, width=70),
                Column(field="calls", title="Calls", unit=Unit.WHOLE, width=70),
                Column(field="errors", title="Errors", unit=Unit.WHOLE, steps=ANY_WARNS, width=70),
                Column(field="tokens", title="Tokens", unit=Unit.COUNT, width=85),
                Column(field="cost", title="Cost", unit=Unit.DOLLARS, decimals=4, width=95),
            ),
            width=24, height=10,
        )
        if deep
        else table(
            "Recent", "The newest traces with model calls of the chosen services and models.",
            TraceQL(f"{{ {TRACE_FILTER} }}", limit=50),
            columns=trace_columns(),
            width=24, height=10,
        )
    )  # fmt: skip
    return [
        chart(
            "Calls", "Calls per second by status: drag over the time that interests you.",
            PromQL(rate(REQUESTS, (STATUS,), {STATUS: ("=~", "$status")}), legend(STATUS)),
            unit=Unit.REQUESTS_PER_SECOND, width=24, height=7, stacked=True, bars=True,
            colours=STATUS_COLOURS,
        ),
        recent,
        table(
            "Search", "Traces that match the TraceQL above, for example "
            "{ status = error && span.observatory.cost_usd > 0.01 }.",
            TraceQL("$traceql", limit=50),
            columns=trace_columns(),
            width=12, height=9,
        ),
        table(
            "Failed", "Traces with a failed model call of the chosen models.",
            TraceQL(f"{{ {TRACE_FILTER} && status = error }}", limit=50),
            columns=trace_columns(),
            width=12, height=9,
        ),
    ]  # fmt: skip


def _one() -> list[Panel]:
    return [
        trace_view(
            "Trace", "The trace whose id is chosen above: every span with its attributes, its "
            "prompt, and a flame graph of what is below it.",
            TraceQL("$trace_id"),
        ),
        flame_graph(
            "Cost of the trace", "The same trace by what its parts cost.",
            Profile(COST_PROFILE, '{trace_id="$trace_id"}'), unit=Unit.NANO_DOLLARS, height=9,
        ),
    ]  # fmt: skip


def _map() -> list[Panel]:
    return [
        node_graph(
            "Service graph", "Services and the models that they call, with rates, failures and "
            "durations.",
            ServiceMap(), width=24,
        ),
    ]  # fmt: skip
