"""Put panels on the grid, give them ids, and write the dashboard as Grafana's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboards_py.panels.classes import (
    Annotations,
    Dashboard,
    Panel,
    RowPanel,
    Templating,
    Time,
    placed,
)
from dashboards_py.panels.queries import Query, targets
from dashboards_py.panels.style import BLUE, SOURCES, Source

SCHEMA_VERSION = 41
GRID_WIDTH = 24
TAG = "llm-observatory"
# What grafanalib writes for versions of Grafana that are gone, or writes though it is not set.
_GONE = (
    "__inputs", "cacheTimeout", "columns", "editable", "error", "fontSize", "gnetId", "height",
    "hideControls", "minSpan", "rows", "sharedCrosshair", "span", "style", "tagValuesQuery",
    "tagsQuery", "useTags",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a dashboard: panels from left to right, then the next line."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a dashboard: a query's values, fixed values, or free text."""

    name: str
    label: str
    query: str = ""
    """PromQL's label_values(...), or SQL, as `source` says."""
    source: Source | None = None
    options: Sequence[str] = ()
    """Fixed values; the first is chosen."""
    default: str = ""
    """What free text starts with."""

    def json(self) -> dict[str, Any]:
        """The variable as Grafana reads it."""
        base = {"hide": 0, "label": self.label, "name": self.name, "skipUrlSync": False}
        if self.options:
            options = [
                {"selected": at == 0, "text": value, "value": value}
                for at, value in enumerate(self.options)
            ]
            return base | {
                "current": options[0],
                "includeAll": False,
                "multi": False,
                "options": options,
                "query": ",".join(self.options),
                "type": "custom",
            }
        if self.source is None:
            chosen = {"selected": True, "text": self.default, "value": self.default}
            return base | {
                "current": chosen,
                "options": [chosen],
                "query": self.default,
                "type": "textbox",
            }
        is_prometheus = self.source.type == "prometheus"
        return base | {
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "datasource": self.source.reference,
            "definition": self.query,
            "includeAll": True,
            "multi": True,
            "options": [],
            "query": {"query": self.query, "refId": self.name} if is_prometheus else self.query,
            "refresh": 2,
            "regex": "",
            "sort": 1,
            "type": "query",
        }


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks on every chart: when something happened."""

    name: str
    query: Query
    colour: str = BLUE
    title: str = ""
    """Prometheus only: the text of a mark, from its labels."""

    def json(self) -> dict[str, Any]:
        """The annotation as Grafana reads it."""
        [target] = targets([self.query])
        found: dict[str, Any] = {
            "datasource": target["datasource"],
            "enable": True,
            "hide": False,
            "iconColor": self.colour,
            "name": self.name,
            "target": target | {"refId": "annotation"},
        }
        if "expr" in target:
            found |= {"expr": target["expr"], "step": "60s", "titleFormat": self.title}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard of ours."""

    uid: str
    title: str
    question: str
    """What it answers: the first line of its description."""
    sections: Sequence[Section]
    variables: Sequence[Variable] = ()
    annotations: Sequence[Annotation] = ()
    since: str = "now-1h"
    refresh: str = "30s"
    links: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    def json(self) -> str:
        """The dashboard as stable text."""
        panels = _placed(self.sections)
        used = {target["datasource"]["uid"] for panel in panels for target in panel.targets}
        used |= {item.query.source.reference["uid"] for item in self.annotations}
        used |= {v.source.reference["uid"] for v in self.variables if v.source}
        sources = [s for s in SOURCES if s.reference["uid"] in used]
        dashboard = Dashboard(
            title=self.title,
            uid=self.uid,
            description=self.question,
            tags=[TAG],
            timezone="browser",
            schemaVersion=SCHEMA_VERSION,
            graphTooltip=1,
            refresh=self.refresh,
            time=Time(self.since, "now"),
            templating=Templating(
                [v.json() for v in self.variables] + [*map(_source_variable, sources)]
            ),
            annotations=Annotations([item.json() for item in self.annotations]),
            links=[_siblings(), *self.links],
            panels=panels,
        )
        plain = json.loads(json.dumps(dashboard, default=lambda item: item.to_json_data()))
        return json.dumps(_clean(plain), indent=1, sort_keys=True) + "\n"


def _placed(sections: Sequence[Section]) -> list[Panel]:
    """Lay the sections out below each other and number all panels."""
    found: list[Panel] = []
    y = 0
    for section in sections:
        if section.title:
            place = {"h": 1, "w": GRID_WIDTH, "x": 0, "y": y}
            found.append(RowPanel(title=section.title, gridPos=place, id=len(found) + 1))
            y += 1
        x = line_height = 0
        for panel in section.panels:
            width, height = panel.gridPos["w"], panel.gridPos["h"]
            if x + width > GRID_WIDTH:
                y += line_height
                x = line_height = 0
            place = {"h": height, "w": width, "x": x, "y": y}
            found.append(placed(panel, place, len(found) + 1))
            x += width
            line_height = max(line_height, height)
        y += line_height
    return found


def _source_variable(source: Source) -> dict[str, Any]:
    """Let a reader choose another data source of the type; ours is the default."""
    return {
        "current": {"selected": True, "text": source.label, "value": source.uid},
        "hide": 0,
        "includeAll": False,
        "label": source.label,
        "multi": False,
        "name": source.variable,
        "options": [],
        "query": source.type,
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }


def _siblings() -> dict[str, Any]:
    """Links to all our dashboards, with what is chosen here."""
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "LLM Observatory",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }


def _clean(dashboard: dict[str, Any]) -> dict[str, Any]:
    panels = [_without_gone(panel) for panel in dashboard["panels"]]
    return _without_none(_without_gone(dashboard) | {"panels": panels})


def _without_gone(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in _GONE}


def _without_none(item: Any) -> Any:
    """Leave out what is not set, but for the threshold that has no lower bound."""
    if isinstance(item, list):
        return [_without_none(each) for each in item]
    if isinstance(item, dict):
        return {
            key: _without_none(value)
            for key, value in item.items()
            if value is not None or key == "value"
        }
    return item
