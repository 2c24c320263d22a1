"""Read a dashboard as Grafana does: which queries it sends, with variables and macros filled in.

Only what our dashboards use is known here; anything else in a query is an error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# Grafana asks for as many points as a panel has pixels; this is a wide panel.
POINTS = 800
SCRAPE_INTERVAL_S = 15
ALL = "$__all"

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From when to when, in unix seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> int:
        return round(self.end - self.start)

    def step_s(self, min_interval: str | None) -> int:
        """The distance of points, as Grafana chooses it."""
        least = seconds(min_interval) if min_interval else SCRAPE_INTERVAL_S
        return max(least, -(-self.seconds // POINTS))


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, an annotation or a variable, and where it is in the dashboard."""

    place: str
    source: str
    """The data source's type."""
    target: Mapping[str, Any]
    time_from: str | None = None
    min_interval: str | None = None


@dataclass(slots=True)
class Chosen:
    """What is chosen for each variable: the dashboard's own defaults unless told otherwise."""

    values: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def defaults(cls, dashboard: Mapping[str, Any]) -> Chosen:
        found: dict[str, list[str]] = {}
        for variable in dashboard["templating"]["list"]:
            value = variable["current"]["value"]
            found[variable["name"]] = value if isinstance(value, list) else [value]
        return cls(found)

    def is_all(self, name: str) -> bool:
        return self.values[name] == [ALL]

    def text(self, name: str, form: str) -> str:
        """Return a variable in one of Grafana's formats. A custom "All" is never formatted."""
        if self.is_all(name):
            return ".*"
        values = self.values[name]
        match form:
            case "singlequote":
                return ",".join("'" + value.replace("'", r"\'") + "'" for value in values)
            case "sqlstring":
                return ",".join("'" + value.replace("'", "''") + "'" for value in values)
            case "regex":
                escaped = [re.sub(r"([\\^$.*+?()\[\]{}|/])", r"\\\1", value) for value in values]
                return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
            case "raw" | "":
                [value] = values
                return value
            case _:
                raise AssertionError(f"format {form} of {name} is not known here")


def seconds(text: str) -> int:
    """Return `15s` or `1h` in seconds."""
    return int(text[:-1]) * _UNITS_S[text[-1]]


def time_range(since: str, now: float) -> TimeRange:
    """Return the range from `now-1h` or `now/M` until now."""
    if since == "now/M":
        start = datetime.fromtimestamp(now, UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        return TimeRange(start.timestamp(), now)
    found = re.fullmatch(r"now-(\d+\w)", since)
    assert found, since
    return TimeRange(now - seconds(found[1]), now)


def queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """Every query of every panel, annotation and variable."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield Query(
                f"{panel['title']} [{target['refId']}]",
                target["datasource"]["type"],
                target,
                panel.get("timeFrom"),
                panel.get("interval"),
            )
    for annotation in dashboard["annotations"]["list"]:
        target = annotation["target"]
        yield Query(f"annotation {annotation['name']}", target["datasource"]["type"], target)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            source = variable["datasource"]["type"]
            target = {"variable": variable["definition"]}
            yield Query(f"variable {variable['name']}", source, target)


def promql(text: str, chosen: Chosen, within: TimeRange, step_s: int) -> str:
    """Return PromQL as the Prometheus data source sends it."""
    built_in = {
        "__range": f"{within.seconds}s",
        "__range_s": str(within.seconds),
        "__interval": f"{step_s}s",
        "__rate_interval": f"{max(step_s + SCRAPE_INTERVAL_S, 4 * SCRAPE_INTERVAL_S)}s",
    }

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name in built_in:
            return built_in[name]
        # Inside a string literal of PromQL a backslash is written twice.
        return chosen.text(name, match[2] or "regex").replace("\\", "\\\\")

    return _VARIABLE.sub(fill, text)


def plain(text: str, chosen: Chosen) -> str:
    """Return a selector or TraceQL with its variables filled in."""
    return _VARIABLE.sub(lambda match: chosen.text(match[1] or match[3], match[2] or "raw"), text)


def sql(text: str, chosen: Chosen, within: TimeRange, step_s: int) -> str:
    """Return SQL as the ClickHouse data source sends it."""
    text = _without_conditions(text, chosen)
    text = _VARIABLE.sub(lambda match: _sql_variable(match, chosen), text)
    start, end = f"toDateTime({int(within.start)})", f"toDateTime({int(within.end)})"
    replaced = {
        r"\$__timeFilter\(([^()]+)\)": rf"\1 >= {start} AND \1 <= {end}",
        r"\$__timeInterval\(([^()]+)\)": (
            rf"toStartOfInterval(toDateTime(\1), INTERVAL {step_s} second)"
        ),
        r"\$__fromTime\b": start,
        r"\$__toTime\b": end,
        r"\$__interval_s\b": str(step_s),
    }
    for pattern, value in replaced.items():
        text = re.sub(pattern, value, text)
    assert "$" not in text, f"not filled in: {text[text.index('$') :][:60]}"
    return text


def _sql_variable(match: re.Match[str], chosen: Chosen) -> str:
    name = match[1] or match[3]
    return match[0] if name.startswith("__") else chosen.text(name, match[2] or "")


def _without_conditions(text: str, chosen: Chosen) -> str:
    """Resolve $__conditionalAll(condition, $variable): 1=1 where all is chosen."""
    macro = "$__conditionalAll("
    while (start := text.rfind(macro)) >= 0:
        condition, variable, end = _two_arguments(text, start + len(macro))
        name = variable.strip().removeprefix("$").strip("{}")
        chosen_text = "1=1" if chosen.is_all(name) else condition
        text = text[:start] + chosen_text + text[end:]
    return text


def _two_arguments(text: str, start: int) -> tuple[str, str, int]:
    """Return the two arguments of a macro, and where its closing parenthesis ends."""
    depth, commas = 1, []
    for at in range(start, len(text)):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if not depth:
                [comma] = commas
                return text[start:comma], text[comma + 1 : at], at + 1
        elif text[at] == "," and depth == 1:
            commas.append(at)
    raise AssertionError(f"no end: {text[start:]}")


def label_values(definition: str) -> tuple[str, str]:
    """Return the selector and the label of label_values(selector, label)."""
    found = re.fullmatch(r"label_values\((.*), *(\w+)\)", definition)
    assert found, definition
    return found[1], found[2]


def titles(found: Sequence[Query]) -> list[str]:
    return [query.place for query in found]
