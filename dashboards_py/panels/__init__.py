"""Panels and dashboards in the house style: the only importer of grafanalib."""

from dashboards_py.panels.board import Annotation, Board, Section, Variable
from dashboards_py.panels.charts import chart, number
from dashboards_py.panels.classes import Panel
from dashboards_py.panels.fields import (
    Column,
    Link,
    band,
    fixed,
    go_to,
    override,
    override_pattern,
    value_map,
)
from dashboards_py.panels.queries import SQL, Profile, PromQL, Query, ServiceMap, TraceQL
from dashboards_py.panels.shapes import (
    bars,
    flame_graph,
    heatmap,
    node_graph,
    note,
    ranking,
    table,
    trace_view,
)
from dashboards_py.panels.style import Unit

__all__ = [
    "SQL",
    "Annotation",
    "Board",
    "Column",
    "Link",
    "Panel",
    "Profile",
    "PromQL",
    "Query",
    "Section",
    "ServiceMap",
    "TraceQL",
    "Unit",
    "Variable",
    "band",
    "bars",
    "chart",
    "fixed",
    "flame_graph",
    "go_to",
    "heatmap",
    "node_graph",
    "note",
    "number",
    "override",
    "override_pattern",
    "ranking",
    "table",
    "trace_view",
    "value_map",
]
