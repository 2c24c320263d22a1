"""A section of the cost dashboard: how much of each budget is gone, and will it last?"""

from __future__ import annotations

from dashboards_py.panels import Panel, PromQL, Unit, chart, ranking
from dashboards_py.panels.style import BAD, WARNING, Steps
from dashboards_py.promql import legend, select
from dashboards_py.thresholds import Thresholds
from exporter.metrics.catalog import BUDGET, BUDGET_END, BUDGET_LABELS, BUDGET_SPENT, BUDGET_START

_LIMITS = Thresholds()
_STEPS: Steps = ((_LIMITS.budget_warn_ratio, WARNING), (_LIMITS.budget_critical_ratio, BAD))
_NONE = "No budgets are set"


def budgets() -> list[Panel]:
    """What is spent of each budget, what will be, and how fast."""
    spent, amount = select(BUDGET_SPENT), select(BUDGET)
    start, end = select(BUDGET_START), select(BUDGET_END)
    elapsed = f"(time() - {start}) / ({end} - {start})"
    return [
        ranking(
            "Budgets spent",
            "Share of each budget that is spent in its present period; docs/alerts.md says how to "
            "set one.",
            PromQL(f"{spent} / {amount}", legend(*BUDGET_LABELS), instant=True),
            unit=Unit.SHARE, thresholds=_STEPS, highest=1, empty=_NONE,
        ),
        ranking(
            "Budgets at their period's end",
            "Share of each budget that will be spent, if the rest of the period goes on like it "
            "began. Beyond 100 % it does not last.",
            PromQL(f"{spent} / {amount} / ({elapsed})", legend(*BUDGET_LABELS), instant=True),
            unit=Unit.SHARE, thresholds=((1.0, BAD),), empty=_NONE,
        ),
        chart(
            "Budget burn",
            "Share of each budget that is spent, over time; dashed, the share of its period that "
            "is over. Above its dashed line a budget is spent too fast.",
            PromQL(f"{spent} / {amount}", legend(*BUDGET_LABELS)),
            PromQL(elapsed, f"{legend(*BUDGET_LABELS)} elapsed"),
            unit=Unit.SHARE, width=8, thresholds=_STEPS, calcs=("lastNotNull",),
            overrides=(_DASHED,),
        ),
    ]  # fmt: skip


_DASHED = {
    "matcher": {"id": "byRegexp", "options": ".* elapsed"},
    "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}],
}
