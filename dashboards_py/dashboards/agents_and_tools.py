"""Agents and tools: which agent or tool is slow, fails, or goes round in circles?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.filters import choices, releases
from dashboards_py.links import POINT_TO_TRACES, time_column, trace_column, trace_columns
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
    fixed,
    node_graph,
    number,
    override,
    ranking,
    table,
)
from dashboards_py.panels.style import ANY_WARNS, BAD, BLUE, ERROR_STEPS, GOOD
from dashboards_py.promql import increase, legend, names, over, quantile, rate, share, total
from dashboards_py.sql import read
from dashboards_py.tables import STATUS_WORDS
from exporter.metrics.catalog import (
    AGENT,
    AGENT_DURATION,
    AGENT_RUNS,
    COST,
    OPERATION,
    OPERATIONS,
    REQUESTS,
    SERVICE,
    STATUS,
    TOOL,
    TOOL_CALLS,
    TOOL_DURATION,
    Metric,
)

_FAILED = {STATUS: "error"}
# A run is of no one model: only where it ran narrows it.
_OF_RUNS = ("environment", "service", "feature", "tenant")


def board(*, deep: bool) -> Board:
    """Agents, then their tools, then single runs."""
    return Board(
        uid=uids.AGENTS_AND_TOOLS,
        title="LLM agents and tools",
        question="Which agent or tool is slow, fails, costs, or goes round in circles?",
        variables=choices(),
        annotations=(releases(deep=deep),),
        sections=(
            Section("", _now()),
            Section("Agents", _agents(deep=deep)),
            Section("Tools", _tools()),
            Section("Runs", _runs(deep=deep)),
        ),
    )


def _now() -> list[Panel]:
    return [
        number(
            "Agent runs", "Runs of agents per second.",
            PromQL(rate(AGENT_RUNS)), unit=Unit.RUNS_PER_SECOND, width=6,
        ),
        number(
            "Failed runs", "Share of runs that failed.",
            PromQL(share(rate(AGENT_RUNS, (), _FAILED), rate(AGENT_RUNS))),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, decimals=1, width=6,
        ),
        number(
            "Failed tool calls", "Share of executions of tools that failed.",
            PromQL(share(rate(TOOL_CALLS, (), _FAILED), rate(TOOL_CALLS))),
            unit=Unit.SHARE, thresholds=ERROR_STEPS, decimals=1, width=6,
        ),
        number(
            "Model calls per run", "Calls to models for each run of an agent, of the services that "
            "run agents: rising means that agents go round in circles.",
            PromQL(over(_of_agents(REQUESTS), rate(AGENT_RUNS))),
            unit=Unit.COUNT, decimals=1, width=6,
        ),
    ]  # fmt: skip


def _of_agents(metric: Metric) -> str:
    """Return a metric's rate in the services that run agents: the others' calls are of no run."""
    runs = rate(AGENT_RUNS, (SERVICE,))
    return total(f"{rate(metric, (SERVICE,))} and on ({names((SERVICE,))}) ({runs} > 0)")


def _agents(*, deep: bool) -> list[Panel]:
    panels = [
        chart(
            "Runs by agent", "Runs per second.",
            PromQL(rate(AGENT_RUNS, (AGENT,)), legend(AGENT)),
            unit=Unit.RUNS_PER_SECOND, width=8, stacked=True, links=(POINT_TO_TRACES,),
        ),
        chart(
            "p95 of a run", "95th percentile of the duration by agent.",
            PromQL(quantile(0.95, AGENT_DURATION, (AGENT,)), legend(AGENT), exemplars=True),
            unit=Unit.SECONDS, width=8, links=(POINT_TO_TRACES,),
        ),
        chart(
            "Failed share by agent", "Share of an agent's runs that failed.",
            PromQL(
                share(rate(AGENT_RUNS, (AGENT,), _FAILED), rate(AGENT_RUNS, (AGENT,))),
                legend(AGENT),
            ),
            unit=Unit.SHARE, width=8, thresholds=ERROR_STEPS, links=(POINT_TO_TRACES,),
        ),
    ]  # fmt: skip
    if not deep:
        return [
            *panels,
            number(
                "Cost per run", "US dollars of model calls for each run of an agent, of the "
                "services that run agents.",
                PromQL(over(_of_agents(COST), rate(AGENT_RUNS))), unit=Unit.DOLLARS, decimals=4,
                width=24,
            ),
        ]  # fmt: skip
    return [
        *panels,
        bars(
            "Cost by agent", "US dollars in the range of the calls below each agent.",
            SQL(read("agent_costs", *_OF_RUNS)),
            unit=Unit.DOLLARS, category="agent", horizontal=True, legend=False,
            colours={"cost": BLUE},
        ),
        bars(
            "Model calls of a run", "How many runs took how many calls: a long tail to the right "
            "is an agent going round in circles.",
            SQL(read("turns_per_run", *_OF_RUNS)),
            unit=Unit.COUNT, category="turns", legend=False, colours={"runs": BLUE},
        ),
    ]  # fmt: skip


def _tools() -> list[Panel]:
    return [
        chart(
            "Executions by tool", "Executions per second.",
            PromQL(rate(TOOL_CALLS, (TOOL,)), legend(TOOL)),
            unit=Unit.RUNS_PER_SECOND, width=8, stacked=True, links=(POINT_TO_TRACES,),
        ),
        chart(
            "p95 by tool", "95th percentile of the duration.",
            PromQL(quantile(0.95, TOOL_DURATION, (TOOL,)), legend(TOOL), exemplars=True),
            unit=Unit.SECONDS, width=8, links=(POINT_TO_TRACES,),
        ),
        chart(
            "Failed share by tool", "Share of a tool's executions that failed.",
            PromQL(
                share(rate(TOOL_CALLS, (TOOL,), _FAILED), rate(TOOL_CALLS, (TOOL,))), legend(TOOL)
            ),
            unit=Unit.SHARE, width=8, thresholds=ERROR_STEPS, links=(POINT_TO_TRACES,),
        ),
    ]  # fmt: skip


def _runs(*, deep: bool) -> list[Panel]:
    steps = ranking(
        "Other steps", "Retrievals, chains and workflows in the range.",
        PromQL(f"{increase(OPERATIONS, (OPERATION,))} > 0", legend(OPERATION), instant=True),
        unit=Unit.WHOLE, width=24, height=4, empty="None",
    )  # fmt: skip
    if not deep:
        return [
            table(
                "Runs", "The newest traces with an agent. Click an id to open it.",
                TraceQL('{ span.observatory.class = "agent" }', limit=50),
                columns=trace_columns(), width=24, height=9,
            ),
            steps,
        ]  # fmt: skip
    return [
        node_graph(
            "Who uses what", "Agents, the models and tools that they use, and how often. The red "
            "part of a ring is the share that failed; the second figure is the mean duration.",
            SQL(read("tool_nodes", *_OF_RUNS), ref_id="nodes"),
            SQL(read("tool_edges", *_OF_RUNS), ref_id="edges"),
            overrides=(
                *fixed({"arc__failed": BAD, "arc__ok": GOOD}),
                override("mainstat", displayName="Times", unit=Unit.COUNT.value),
                override("secondarystat", displayName="Mean", unit=Unit.MILLISECONDS.value),
            ),
            width=24,
        ),
        table(
            "Dearest runs", "Runs of agents that cost most in the range.",
            SQL(read("agent_runs", *_OF_RUNS)),
            columns=(
                trace_column(),
                time_column("started", "Started"),
                Column(field="agent", title="Agent"),
                Column(
                    field="duration", title="Duration", unit=Unit.NANOSECONDS, decimals=2, width=85,
                ),
                Column(field="model_calls", title="Model calls", unit=Unit.WHOLE, width=104),
                Column(field="tool_calls", title="Tool calls", unit=Unit.WHOLE, width=97),
                Column(
                    field="failed_tools", title="Failed tools", unit=Unit.WHOLE, steps=ANY_WARNS,
                    width=111,
                ),
                Column(field="cost", title="Cost", unit=Unit.DOLLARS, decimals=4, gauge=True),
                Column(field="status", title="Status", words=STATUS_WORDS, width=70),
            ),
            width=24, height=10,
        ),
        steps,
    ]  # fmt: skip
