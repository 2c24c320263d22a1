"""A section of the service's own dashboard: are the numbers complete and fresh?"""

from __future__ import annotations

from dashboards_py import own_metrics as own
from dashboards_py.links import time_column, trace_columns
from dashboards_py.panels import (
    SQL,
    Column,
    Panel,
    PromQL,
    TraceQL,
    Unit,
    chart,
    number,
    table,
)
from dashboards_py.panels.style import (
    ANY_WARNS,
    BAD,
    WARNING,
    Steps,
)
from dashboards_py.promql import (
    legend,
    rate,
    select,
    share,
    total,
)
from dashboards_py.sql import read
from dashboards_py.tables import column_of, instant, joined
from exporter.metrics.catalog import (
    MISSING_USAGE,
    REQUESTS,
    SERVICE,
    UNPRICED,
)

_AGE_STEPS: Steps = ((300, WARNING), (1800, BAD))


def _price_list_age(width: int) -> Panel:
    return number(
        "Age of the prices", "Time since the newest dated price of the list came into force: "
        "an old list misses new models.",
        PromQL(f"time() - max({select(own.PRICE_LIST_NEWEST)})", instant=True),
        unit=Unit.SECONDS, graph=False, width=width, height=7, decimals=0,
    )  # fmt: skip


def quality(*, deep: bool) -> list[Panel]:
    """Series, missing usage and prices, freshness."""
    calls = rate(REQUESTS, (SERVICE,))
    panels = [
        table(
            "Series by metric", "Label sets of each metric: what it costs Prometheus.",
            *instant(f"topk(12, {total(select(own.SERIES), (own.METRIC,))} > 0)"),
            columns=(
                Column(field=own.METRIC.name, title="Metric", width=300),
                column_of("Series", unit=Unit.WHOLE, decimals=0, gauge=True),
            ),
            sort="Series", width=8,
            transformations=joined((own.METRIC,), ("Series",)),
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
                columns=trace_columns(), width=18, height=7,
            ),
            _price_list_age(6),
        ]  # fmt: skip
    return [
        *panels,
        table(
            "Freshness", "How old the newest span of each service is, in ClickHouse.",
            SQL(read("freshness")),
            columns=(
                Column(field="service", title="Service"),
                time_column("newest", "Newest span"),
                Column(field="age", title="Age", unit=Unit.SECONDS, steps=_AGE_STEPS, width=80),
                Column(field="spans", title="Spans", unit=Unit.WHOLE, width=80),
            ),
            width=8,
        ),
        table(
            "Conventions", "Who speaks which convention, and whether its usage is understood.",
            SQL(read("conventions")),
            columns=(
                Column(field="convention", title="Convention", width=125),
                Column(field="services", title="Services"),
                Column(field="spans", title="Spans", unit=Unit.WHOLE, width=70),
                Column(field="calls", title="Calls", unit=Unit.WHOLE, width=70),
                Column(
                    field="without_usage", title="Without usage", unit=Unit.WHOLE, steps=ANY_WARNS,
                    width=118,
                ),
                Column(field="estimated", title="Estimated", unit=Unit.WHOLE, width=90),
            ),
            width=16,
        ),
        table(
            "Price lists", "The price lists that priced the range's calls.",
            SQL(read("price_versions")),
            columns=(
                Column(field="version", title="Version"),
                Column(field="calls", title="Calls", unit=Unit.WHOLE, width=80),
                Column(field="models", title="Models", unit=Unit.WHOLE, width=80),
                time_column("last_used", "Last used"),
            ),
            width=10, height=7,
        ),
        chart(
            "Stored", "Spans in ClickHouse by the time that they began.",
            SQL(read("row_counts"), "time_series"),
            unit=Unit.COUNT, width=10, height=7,
        ),
        _price_list_age(4),
    ]  # fmt: skip
