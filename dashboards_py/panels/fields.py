"""How values look: overrides of single fields, links, value mappings, thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards_py.panels.style import GOOD, NEUTRAL, Steps, Unit

# The variables that follow a reader from one dashboard to the next.
_CARRIED = ("prometheus", "environment", "service", "provider", "feature", "tenant")
# A point of a chart stands for an interval; its traces are looked for around it.
AROUND_POINT_MS = 15 * 60_000


@dataclass(frozen=True, slots=True)
class Link:
    """A link from a value; its url may hold Grafana's variables."""

    title: str
    url: str
    new_tab: bool = False

    def json(self) -> dict[str, Any]:
        """The link as Grafana reads it."""
        return {"targetBlank": self.new_tab, "title": self.title, "url": self.url}


def go_to(
    uid: str, *, at_point: bool = False, carried: Sequence[str] = _CARRIED, **variables: str
) -> str:
    """Return the url of another dashboard: same variables, same time, or the time of a point.

    `variables` are set there; their values may be Grafana's, such as ${__field.labels.model}.
    """
    kept = [f"${{{name}:queryparam}}" for name in carried if name not in variables]
    set_there = [f"var-{name}={value}" for name, value in variables.items()]
    when = (
        f"time=${{__value.time}}&time.window={AROUND_POINT_MS}"
        if at_point
        else "${__url_time_range}"
    )
    return f"/d/{uid}?" + "&".join([*kept, *set_there, when])


def override(name: str, **properties: Any) -> dict[str, Any]:
    """Set properties of the field of a name; `__` in a property's name stands for a dot."""
    return _override("byName", name, properties)


def override_pattern(pattern: str, **properties: Any) -> dict[str, Any]:
    """Set properties of the fields whose names match a regular expression."""
    return _override("byRegexp", pattern, properties)


def _override(matcher: str, option: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": matcher, "options": option},
        "properties": [
            {"id": name.replace("__", "."), "value": value} for name, value in properties.items()
        ],
    }


def fixed(colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give named series their colours."""
    return [
        override(name, color={"mode": "fixed", "fixedColor": colour})
        for name, colour in colours.items()
    ]


def band(upper: str, lower: str) -> list[dict[str, Any]]:
    """Fill between two series, in grey and without lines of their own."""
    faint = {"mode": "fixed", "fixedColor": NEUTRAL}
    line: dict[str, Any] = {"custom__lineWidth": 0, "color": faint}
    return [
        override(upper, custom__fillBelowTo=lower, custom__fillOpacity=20, **line),
        override(lower, custom__fillOpacity=0, **line),
    ]


def steps(thresholds: Steps, base: str = GOOD) -> list[dict[str, Any]]:
    """Thresholds as Grafana reads them: a colour from each value on, `base` below."""
    first: dict[str, Any] = {"color": base, "value": None}
    return [first, *({"color": colour, "value": value} for value, colour in thresholds)]


def value_map(words: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Show values as words: value to (word, colour)."""
    options = {
        value: {"color": colour, "index": at, "text": word}
        for at, (value, (word, colour)) in enumerate(words.items())
    }
    return [{"options": options, "type": "value"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: the field, and how it is shown."""

    field: str
    title: str = ""
    unit: Unit | None = None
    decimals: int | None = None
    width: int | None = None
    links: Sequence[Link] = ()
    steps: Steps = ()
    words: Sequence[Mapping[str, Any]] = ()
    """What `value_map` makes: values as words, in their colours."""
    gauge: bool = False
    wrap: bool = False
    hidden: bool = False

    def override(self) -> dict[str, Any]:
        """The column as an override."""
        return override(self.field, **self._value(), **self._cell())

    def _value(self) -> dict[str, Any]:
        """What the value is called, and how it is written."""
        chosen: dict[str, Any] = {}
        if self.title:
            chosen["displayName"] = self.title
        if self.unit is not None:
            chosen["unit"] = self.unit.value
        if self.decimals is not None:
            chosen["decimals"] = self.decimals
        if self.links:
            chosen["links"] = [link.json() for link in self.links]
        if self.steps:
            chosen["thresholds"] = {"mode": "absolute", "steps": steps(self.steps)}
        if self.words:
            chosen["mappings"] = list(self.words)
        return chosen

    def _cell(self) -> dict[str, Any]:
        """The cell around the value."""
        chosen: dict[str, Any] = {}
        if self.width is not None:
            chosen["custom__width"] = self.width
        if self.steps or self.words:
            chosen["custom__cellOptions"] = {"type": "color-text"}
        if self.gauge:
            chosen["custom__cellOptions"] = {"type": "gauge", "mode": "basic"}
            chosen["color"] = {"mode": "fixed", "fixedColor": "#0072B2"}
            # Else the bar is measured against the largest number of any column.
            chosen["fieldMinMax"] = True
            chosen["custom__minWidth"] = 150
            chosen["min"] = 0
        if self.wrap:
            chosen["custom__cellOptions"] = {"type": "auto", "wrapText": True}
        if self.hidden:
            # Before Grafana 12, and since.
            chosen["custom__hidden"] = True
            chosen["custom__hideFrom"] = {"legend": False, "tooltip": False, "viz": True}
        return chosen
