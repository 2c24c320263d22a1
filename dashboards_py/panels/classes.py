"""The classes of grafanalib that are used, and one for the panel types that it lacks.

The only importer of grafanalib. It has no types, so its classes get some here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import attr
from grafanalib import core


class Panel(Protocol):
    """A panel, wherever it stands."""

    gridPos: dict[str, int]  # noqa: N815  # grafanalib's name, and Grafana's
    targets: list[dict[str, Any]]

    def to_json_data(self) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        ...


@attr.s(
    these={
        "type": attr.ib(default=""),
        "options": attr.ib(factory=dict),
        "defaults": attr.ib(factory=dict),
        "overrides": attr.ib(factory=list),
    }
)
class _Modern(core.Panel):
    """A panel of any current type: its options and fields as they are."""

    type: str
    options: dict[str, Any]
    defaults: dict[str, Any]
    overrides: list[dict[str, Any]]

    def to_json_data(self) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        return self.panel_json(
            {
                "fieldConfig": {"defaults": self.defaults, "overrides": self.overrides},
                "options": self.options,
                "type": self.type,
            }
        )


Modern = cast("Callable[..., Panel]", _Modern)
TimeSeries = cast("Callable[..., Panel]", core.TimeSeries)
Stat = cast("Callable[..., Panel]", core.Stat)
RowPanel = cast("Callable[..., Panel]", core.RowPanel)
Dashboard = cast("Callable[..., Any]", core.Dashboard)
Annotations = cast("Callable[..., Any]", core.Annotations)
Templating = cast("Callable[..., Any]", core.Templating)
Time = cast("Callable[..., Any]", core.Time)


def placed(panel: Panel, place: dict[str, int], number: int) -> Panel:
    """Return the panel in its place, with its number."""
    return attr.evolve(cast("Any", panel), gridPos=place, id=number)
