"""Which models each service calls, so that a new one can be told from a known one."""

from __future__ import annotations

from dashboards_py.alert import Group, Record
from dashboards_py.expressions import by, select
from dashboards_py.thresholds import Thresholds
from exporter.metrics.catalog import REQUESTS

KEEP = ("service_name", "provider", "model")
KNOWN = "llm:model_calls:total"


def groups(t: Thresholds) -> list[Group]:
    """Return the one group; a week of it is read at once, so it is seldom recorded."""
    return [
        Group(
            "llm-models",
            [Record(KNOWN, by(KEEP, select(REQUESTS)), KEEP)],
            5 * t.record_interval_s,
        )
    ]
