"""Tables of Prometheus' instant values: one row for each label set, one column for each query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboards_py.panels import Column, PromQL, value_map
from dashboards_py.panels.style import BAD
from exporter.metrics.catalog import Label

# What went well needs no colour.
STATUS_WORDS = value_map({"ok": ("ok", "text"), "error": ("error", BAD)})
_REF_IDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def instant(*expressions: str) -> tuple[PromQL, ...]:
    """Queries whose answers become the columns of a table."""
    return tuple(PromQL(expr, instant=True, format="table") for expr in expressions)


def joined(by: Sequence[Label], titles: Sequence[str]) -> list[dict[str, Any]]:
    """Join the answers on their labels, name the columns, and put the labels first."""
    order = [label.name for label in by] + list(titles)
    renamed = {_value(at, titles): title for at, title in enumerate(titles)}
    return [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: at for at, name in enumerate([*order[: len(by)], *renamed])},
                "renameByName": renamed,
            },
        },
    ]


def column_of(title: str, **look: Any) -> Column:
    """Style a column by the title that it has after joining."""
    return Column(field=title, **look)


def _value(at: int, titles: Sequence[str]) -> str:
    return "Value" if len(titles) == 1 else f"Value #{_REF_IDS[at]}"
