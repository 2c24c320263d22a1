"""A dashboard and the answers of all its panels, as the page that draws it takes them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from tests.e2e.panel_sources import Scene
from tests.pictures.frames import frames
from tests.support import grafana_queries as grafana
from tests.support.grafana_queries import Chosen

_NEWEST_RUN = """
SELECT TraceId FROM otel_traces WHERE Timestamp > now() - INTERVAL 50 MINUTE
GROUP BY TraceId
HAVING countIf(SpanClass = 'agent') > 0
ORDER BY count() DESC, TraceId
LIMIT 1
SETTINGS max_execution_time = 30
"""


def as_opened(scene: Scene, dashboard: Mapping[str, Any]) -> Chosen:
    """The dashboard's own choices, and a trace that a reader would click in its list of traces."""
    chosen = Chosen.defaults(dashboard)
    if "trace_id" in chosen.values:
        chosen.values["trace_id"] = [str(scene.clickhouse.query(_NEWEST_RUN).result_rows[0][0])]
    return chosen


def answered(scene: Scene, dashboard: Mapping[str, Any], since: str = "") -> dict[str, Any]:
    """Return {"title", "panels": [{"panel", "frames", "from", "to"}]}; times are milliseconds.

    `since` is the beginning that a reader chose, such as now-5m, if not the dashboard's own.
    """
    now = math.ceil(time.time())
    chosen = as_opened(scene, dashboard)
    panels: list[dict[str, Any]] = []
    for panel in dashboard["panels"]:
        within = grafana.time_range(
            panel.get("timeFrom") or since or dashboard["time"]["from"], now
        )
        # Grafana fills variables in wherever a title or a text names them.
        shown = panel | {"title": grafana.plain(panel["title"], chosen)}
        found = [
            frame
            for query in grafana.queries({**dashboard, "panels": [panel]})
            if "refId" in query.target and not query.place.startswith("annotation")
            for frame in frames(scene, query, chosen, within, alone=len(panel["targets"]) == 1)
        ]
        panels.append(
            {
                "panel": shown,
                "frames": found,
                "from": within.start * 1000,
                "to": within.end * 1000,
            }
        )
    return {"title": dashboard["title"], "panels": panels}
