"""Panels over time and single values, in the house style, on grafanalib's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards_py.panels.classes import Panel, Stat, TimeSeries
from dashboards_py.panels.fields import Link, fixed, steps
from dashboards_py.panels.queries import Query, targets
from dashboards_py.panels.style import NEUTRAL, Steps, Unit

_SHARE_SHOWN_MIN = 0.05
MIXED = {"type": "datasource", "uid": "-- Mixed --"}


def source_of(queries: Sequence[Query]) -> dict[str, str]:
    """The data source of a panel: that of its queries."""
    found = {query.source for query in queries}
    return found.pop().reference if len(found) == 1 else MIXED


def size(width: int, height: int) -> dict[str, int]:
    """A size on the grid of 24 columns; the dashboard puts it in its place."""
    return {"h": height, "w": width, "x": 0, "y": 0}


def common(
    title: str, description: str, queries: Sequence[Query], width: int, height: int
) -> dict[str, Any]:
    """What every panel has."""
    return {
        "title": title,
        "description": description,
        "dataSource": source_of(queries),
        "targets": targets(queries),
        "gridPos": size(width, height),
        "maxDataPoints": None,
    }


def chart(
    title: str,
    description: str,
    *queries: Query,
    unit: Unit,
    width: int = 12,
    height: int = 8,
    stacked: bool = False,
    bars: bool = False,
    colours: Mapping[str, str] | None = None,
    thresholds: Steps = (),
    links: Sequence[Link] = (),
    overrides: Sequence[Mapping[str, Any]] = (),
    calcs: Sequence[str] = ("mean", "max", "lastNotNull"),
    highest: float | None = None,
    display_name: str = "",
    min_interval: str = "",
    time_from: str = "",
    empty: str = "",
) -> Panel:
    """Lines, areas or bars over time. Series take their colours from their names."""
    defaults: dict[str, Any] = {
        "links": [link.json() for link in links],
        "max": highest,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps(thresholds, NEUTRAL)},
    }
    if display_name:
        defaults["displayName"] = display_name
    if empty:
        defaults["noValue"] = empty
    if unit is Unit.SHARE and highest is None:
        # An axis for nothing but zeros would go up to 10,000 %, one for noise would look like a
        # storm.
        defaults["custom"] = {"axisSoftMax": _SHARE_SHOWN_MIN}
    return TimeSeries(
        **common(title, description, queries, width, height)
        | {"interval": min_interval or None, "timeFrom": time_from or None},
        colorMode="palette-classic-by-name",
        drawStyle="bars" if bars else "line",
        fillOpacity=70 if bars else 25 if stacked else 8,
        lineWidth=1 if stacked else 2,
        showPoints="auto",
        spanNulls=False,
        stacking={"group": "A", "mode": "normal" if stacked else "none"},
        legendDisplayMode="table",
        legendPlacement="bottom",
        legendCalcs=list(calcs),
        tooltipMode="multi",
        tooltipSort="desc",
        unit=unit.value,
        thresholdsStyleMode="dashed" if thresholds else "off",
        overrides=[*fixed(colours or {}), *overrides],
        extraJson={
            "fieldConfig": {"defaults": defaults},
            "options": {"legend": {"showLegend": True}},
        },
    )


def number(
    title: str,
    description: str,
    *queries: Query,
    unit: Unit,
    width: int = 4,
    height: int = 4,
    thresholds: Steps = (),
    words: Sequence[Mapping[str, Any]] = (),
    filled: bool = False,
    graph: bool = True,
    decimals: int | None = None,
    links: Sequence[Link] = (),
    empty: str = "No data",
    text: str = "auto",
    calc: str = "lastNotNull",
    change: bool = False,
    base: str = "",
    time_from: str = "",
    values: bool = False,
    colours: Mapping[str, str] | None = None,
) -> Panel:
    """One or a few values, large. `change` shows the change over the range in percent."""
    default_base = base or ("text" if not thresholds and not words else "#009E73")
    return Stat(
        **common(title, description, queries, width, height) | {"timeFrom": time_from or None},
        alignment="auto",
        color={"mode": "thresholds"},
        colorMode="background" if filled else "value",
        decimals=decimals,
        format=unit.value,
        graphMode="area" if graph else "none",
        mappings=list(words),
        noValue=empty,
        orientation="auto",
        overrides=fixed(colours or {}),
        reduceCalc=calc,
        textMode=text,
        thresholds=steps(thresholds, default_base),
        extraJson={
            "fieldConfig": {"defaults": {"links": [link.json() for link in links]}},
            "options": {
                "percentChangeColorMode": "inverted",
                "reduceOptions": {"values": values},
                "showPercentChange": change,
                # Beside each other, a name and its value are both small.
                "wideLayout": text != "value_and_name",
            },
        },
    )
