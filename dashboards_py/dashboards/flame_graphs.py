"""Flame graphs: which part of the application costs, uses or waits the most?"""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.filters import CALLS, PROFILE_SELECTOR, choices, releases
from dashboards_py.links import TRACE_FLAMES, dearest_columns, time_column, trace_columns
from dashboards_py.panels import (
    SQL,
    Board,
    Column,
    Link,
    Panel,
    Profile,
    PromQL,
    Section,
    TraceQL,
    Unit,
    Variable,
    chart,
    flame_graph,
    go_to,
    note,
    table,
)
from dashboards_py.panels.style import ERROR_STEPS
from dashboards_py.promql import RATE_WINDOW, RELEASE, increase, legend
from dashboards_py.sql import read
from exporter.metrics.catalog import COST

COST_PROFILE = "llm:cost:nUSD:llm:count"
TOKENS_PROFILE = "llm:tokens:tokens:llm:count"
WAITED_PROFILE = "llm:wall:nanoseconds:llm:count"
WORKED_PROFILE = "llm:work:nanoseconds:llm:count"
ERRORS_PROFILE = "llm:errors:count:llm:count"
_TRACE = "trace_id"
_BEFORE, _AFTER = "release_before", "release_after"
_DRILL = (TRACE_FLAMES, Link("Open the trace", go_to(uids.TRACES, trace_id="${__value.raw}")))


def board(*, deep: bool) -> Board:
    """All traces, then one of them, then before and after a release."""
    return Board(
        uid=uids.FLAME_GRAPHS,
        title="LLM flame graphs",
        question="Which part of the application costs the most, uses the most, waits the longest?",
        variables=(*choices(), _trace_choice(), *_release_choices()),
        annotations=(releases(deep=deep),),
        sections=(
            Section("All chosen traces", _all()),
            Section("One trace: $trace_id", _one(deep=deep)),
            Section("Before and after a release", _releases(deep=deep)),
        ),
    )


def _trace_choice() -> Variable:
    return Variable(_TRACE, "Trace id")


def _release_choices() -> tuple[Variable, ...]:
    return tuple(
        Variable(name, title, default=".*")
        for name, title in ((_BEFORE, "Release before"), (_AFTER, "Release after"))
    )


def _all() -> list[Panel]:
    selector = f"{{{PROFILE_SELECTOR}}}"
    return [
        flame_graph(
            "Cost", "US dollars, by the path through the application: agents, tools, model calls. "
            "The wider, the dearer.",
            Profile(COST_PROFILE, selector), unit=Unit.NANO_DOLLARS, height=11,
        ),
        flame_graph(
            "Tokens", "Tokens of all kinds by the same paths.",
            Profile(TOKENS_PROFILE, selector), unit=Unit.TOKENS, width=12, height=10,
        ),
        flame_graph(
            "Time that people waited", "Elapsed time: where parts ran at once they share it, so "
            "that widths add up to the wait.",
            Profile(WAITED_PROFILE, selector), unit=Unit.NANOSECONDS, width=12, height=10,
        ),
        flame_graph(
            "Errors", "Failed spans by path.", Profile(ERRORS_PROFILE, selector),
            unit=Unit.COUNT, width=12, height=9,
        ),
        chart(
            "Cost over time", "US dollars of each interval in the chosen profiles.",
            Profile(COST_PROFILE, selector, series=True),
            unit=Unit.NANO_DOLLARS, height=9,
        ),
    ]  # fmt: skip


def _one(*, deep: bool) -> list[Panel]:
    selector = f'{{{_TRACE}="${_TRACE}"}}'
    return [
        flame_graph(
            "Cost of the trace", "Of the trace whose id is chosen above.",
            Profile(COST_PROFILE, selector), unit=Unit.NANO_DOLLARS, width=12, height=9,
        ),
        flame_graph(
            "Time of the trace", "Summed work: parts that ran at once are side by side.",
            Profile(WORKED_PROFILE, selector), unit=Unit.NANOSECONDS, width=12, height=9,
        ),
        _drill(deep=deep),
    ]  # fmt: skip


def _drill(*, deep: bool) -> Panel:
    title = "Choose a trace"
    if deep:
        return table(
            title, "The dearest traces of the range. Click an id to see its flame graphs.",
            SQL(read("dearest_traces")),
            columns=(
                *dearest_columns(
                    Column(field="TraceId", title="Trace", links=_DRILL, width=160)
                ),
            ),
        )  # fmt: skip
    return table(
        title, "Recent traces with model calls. Click an id to see its flame graphs.",
        TraceQL(f"{{ {CALLS} }}", limit=50),
        columns=trace_columns(Column(field="traceID", title="Trace", links=_DRILL, width=160)),
    )  # fmt: skip


def _releases(*, deep: bool) -> list[Panel]:
    def of_release(variable: str) -> Profile:
        return Profile(COST_PROFILE, f"{{{PROFILE_SELECTOR}, {RELEASE.name}=~`${{{variable}}}`}}")

    return [
        note(
            "", "How to compare releases.",
            "Write two releases (or patterns) into **Release before** and **Release after** above. "
            "For a difference in one graph, open Explore's diff view, or Profiles Drilldown, "
            "on the same data source.", height=2,
        ),
        flame_graph(
            "Before", "Cost by path of the release in `Release before`.",
            of_release(_BEFORE), unit=Unit.NANO_DOLLARS, width=12, height=10,
        ),
        flame_graph(
            "After", "Cost by path of the release in `Release after`.",
            of_release(_AFTER), unit=Unit.NANO_DOLLARS, width=12, height=10,
        ),
        _release_costs(deep=deep),
    ]  # fmt: skip


def _release_costs(*, deep: bool) -> Panel:
    title = "What each release costs"
    if not deep:
        return chart(
            title, "US dollars of each interval by release. Needs the metric label "
            f"`{RELEASE.name}`.",
            PromQL(increase(COST, (RELEASE,), window=RATE_WINDOW), legend(RELEASE)),
            unit=Unit.DOLLARS, stacked=True, width=24,
        )  # fmt: skip
    return table(
        title, "Each service's releases in the range: what a call costs, uses and takes.",
        SQL(read("release_costs")),
        columns=(
            Column(field="service", title="Service"),
            Column(field="release", title="Release"),
            time_column("first_seen", "First seen"),
            Column(field="calls", title="Calls", unit=Unit.WHOLE),
            Column(field="cost_per_call", title="Cost per call", unit=Unit.DOLLARS, decimals=5),
            Column(field="tokens_per_call", title="Tokens per call", unit=Unit.WHOLE, decimals=0),
            Column(field="p95", title="p95", unit=Unit.NANOSECONDS, decimals=2),
            Column(field="errors", title="Errors", unit=Unit.SHARE, decimals=1, steps=ERROR_STEPS),
        ),
    )  # fmt: skip
