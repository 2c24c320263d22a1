"""The panel types that grafanalib lacks or has only in an old form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards_py.panels.charts import common, size
from dashboards_py.panels.classes import Modern, Panel
from dashboards_py.panels.fields import Column, Link, fixed, override, steps
from dashboards_py.panels.queries import Query
from dashboards_py.panels.style import NEUTRAL, Steps, Unit


def heatmap(
    title: str,
    description: str,
    query: Query,
    *,
    unit: Unit,
    width: int = 24,
    height: int = 9,
    links: Sequence[Link] = (),
) -> Panel:
    """How many observations fell into each bucket, over time. The buckets come from the query."""
    return Modern(
        **common(title, description, [query], width, height),
        type="heatmap",
        defaults={
            "custom": {"hideFrom": {"legend": False, "tooltip": False, "viz": False}},
            "links": [link.json() for link in links],
        },
        options={
            "calculate": False,
            "cellGap": 1,
            # Viridis keeps its order in every kind of colour vision, and in grey.
            "color": {
                "exponent": 0.5,
                "fill": "dark-orange",
                "mode": "scheme",
                "reverse": False,
                "scale": "exponential",
                "scheme": "Viridis",
                "steps": 64,
            },
            "exemplars": {"color": "rgba(255,255,255,0.8)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit.value},
        },
    )


def bars(
    title: str,
    description: str,
    *queries: Query,
    unit: Unit,
    category: str,
    width: int = 12,
    height: int = 8,
    stacked: bool = False,
    horizontal: bool = False,
    colours: Mapping[str, str] | None = None,
    overrides: Sequence[Mapping[str, Any]] = (),
    links: Sequence[Link] = (),
    transformations: Sequence[Mapping[str, Any]] = (),
    legend: bool = True,
) -> Panel:
    """Bars for categories: the field `category` names them, each other field is a series."""
    return Modern(
        **common(title, description, queries, width, height)
        | {"transformations": list(transformations)},
        type="barchart",
        defaults={
            "color": {"mode": "palette-classic-by-name"},
            "custom": {
                "axisPlacement": "auto",
                "fillOpacity": 80,
                "gradientMode": "none",
                "hideFrom": {"legend": False, "tooltip": False, "viz": False},
                "lineWidth": 0,
            },
            "links": [link.json() for link in links],
            "unit": unit.value,
        },
        overrides=[*fixed(colours or {}), *overrides],
        options={
            "barRadius": 0,
            "barWidth": 0.9,
            "fullHighlight": False,
            "groupWidth": 0.75,
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": legend,
            },
            "orientation": "horizontal" if horizontal else "vertical",
            "showValue": "auto",
            "stacking": "normal" if stacked else "none",
            "tooltip": {"mode": "multi", "sort": "desc"},
            "xField": category,
            "xTickLabelRotation": 0,
            "xTickLabelSpacing": 0,
        },
    )


def ranking(
    title: str,
    description: str,
    *queries: Query,
    unit: Unit,
    width: int = 8,
    height: int = 8,
    thresholds: Steps = (),
    links: Sequence[Link] = (),
    highest: float | None = None,
    empty: str = "No data",
) -> Panel:
    """One bar for each series, its name and value beside it."""
    # Prometheus extrapolates: five calls rise by 5.01.
    whole = {"decimals": 0} if unit is Unit.WHOLE else {}
    colour = {"mode": "thresholds" if thresholds else "palette-classic-by-name"}
    return Modern(
        **common(title, description, queries, width, height),
        type="bargauge",
        defaults={
            "color": colour,
            "links": [link.json() for link in links],
            "max": highest,
            "min": 0,
            "noValue": empty,
            "thresholds": {"mode": "absolute", "steps": steps(thresholds, NEUTRAL)},
            "unit": unit.value,
            **whole,
        },
        options={
            "displayMode": "basic",
            "legend": {"showLegend": False},
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
            # Else two bars fill the panel, with letters to match.
            "sizing": "manual",
            "maxVizHeight": 48,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "text": {"titleSize": 12, "valueSize": 16},
            "valueMode": "text",
        },
    )


def table(
    title: str,
    description: str,
    *queries: Query,
    columns: Sequence[Column] = (),
    sort: str = "",
    ascending: bool = False,
    width: int = 24,
    height: int = 9,
    transformations: Sequence[Mapping[str, Any]] = (),
    tall: bool = False,
    empty: str = "",
) -> Panel:
    """Rows. `columns` style fields by name; `sort` is a column's title."""
    return Modern(
        **common(title, description, queries, width, height)
        | {"transformations": list(transformations)},
        type="table",
        defaults={
            "color": {"mode": "thresholds"},
            "custom": {
                "align": "auto",
                "cellOptions": {"type": "auto", "wrapText": tall},
                "filterable": True,
                "inspect": True,
                # Grafana's own 150 pixels push the last columns out of sight.
                "minWidth": 80,
            },
            "thresholds": {"mode": "absolute", "steps": steps((), "text")},
            **({"noValue": empty} if empty else {}),
        },
        overrides=[column.override() for column in columns],
        options={
            "cellHeight": "sm",
            "showHeader": True,
            "sortBy": [{"desc": not ascending, "displayName": sort}] if sort else [],
        },
    )


def flame_graph(
    title: str, description: str, query: Query, *, unit: Unit, width: int = 24, height: int = 16
) -> Panel:
    """A flame graph. A unit from the data source wins over a default, hence the overrides."""
    return Modern(
        **common(title, description, [query], width, height),
        type="flamegraph",
        overrides=[override(name, unit=unit.value) for name in ("value", "self")],
    )


def trace_view(
    title: str, description: str, query: Query, *, width: int = 24, height: int = 16
) -> Panel:
    """One trace as a waterfall of its spans."""
    return Modern(**common(title, description, [query], width, height), type="traces")


def node_graph(
    title: str,
    description: str,
    *queries: Query,
    overrides: Sequence[Mapping[str, Any]] = (),
    width: int = 12,
    height: int = 12,
) -> Panel:
    """Nodes and the arrows between them. A node's ring is made of its fields `arc__...`."""
    return Modern(
        **common(title, description, queries, width, height),
        type="nodeGraph",
        overrides=list(overrides),
        options={"edges": {}, "nodes": {}, "zoomMode": "cooperative"},
    )


def note(title: str, description: str, markdown: str, *, width: int = 24, height: int = 3) -> Panel:
    """Text that a reader needs on the spot."""
    return Modern(
        title=title,
        description=description,
        gridPos=size(width, height),
        maxDataPoints=None,
        type="text",
        options={"content": markdown, "mode": "markdown"},
    )
