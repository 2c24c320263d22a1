"""What an alert and a recording rule are: data, from which every format is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dashboards_py import uids


class Priority(StrEnum):
    """How loud an alert is."""

    P0 = "P0"
    """Down, or more than one call in ten fails: somebody is paged at any hour."""
    P1 = "P1"
    """Users suffer: Slack, and a page in work hours."""
    P2 = "P2"
    """Money or quality drifts: Slack."""
    P3 = "P3"
    """Worth knowing: the quiet channel."""
    NONE = "none"
    """Always firing, for the dead man's switch."""


SEVERITY: Mapping[Priority, str] = {
    Priority.P0: "critical",
    Priority.P1: "error",
    Priority.P2: "warning",
    Priority.P3: "info",
    Priority.NONE: "none",
}
"""The label that others' routes know; its values are those that PagerDuty takes."""


class Dashboard(StrEnum):
    """The dashboards that alerts lead to, by uid."""

    LATENCY = uids.LATENCY
    COST = uids.COST
    ERRORS = uids.ERRORS_AND_LIMITS
    TRACES = uids.TRACES
    HEALTH = uids.EXPORTER_HEALTH


# The label that tells our alerts, rules and policies from others'.
PRODUCT = {"product": "llm-observatory"}
# The label of an alert, and the dashboards' variable that it sets.
VARIABLES: Mapping[str, str] = {
    "service_name": "service",
    "provider": "provider",
    "model": "model",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert rule. Texts may use Prometheus' templates with `$labels` and `$value`."""

    name: str
    expr: str
    priority: Priority
    summary: str
    """What is wrong, the same for every instance."""
    description: str
    """The same with names and numbers."""
    dashboard: Dashboard
    keep: tuple[str, ...] = ()
    """Labels of the expression's result."""
    hold_s: int = 0
    """How long it must hold before it fires."""
    keep_firing_s: int = 0
    traces: bool = False
    """Whether the calls behind it can be looked at."""


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule."""

    name: str
    expr: str
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in order."""

    name: str
    rules: Sequence[Alert | Record]
    interval_s: int | None = None
    """None: Prometheus' own evaluation interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """An alert that a case expects at a time, with all of its own labels and its description."""

    at: str
    labels: Mapping[str, str]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A story for `promtool test rules`: series, when the alert fires, and when it does not."""

    title: str
    series: Mapping[str, str]
    """Values by series, in promtool's notation."""
    fires: tuple[Fire, ...] = ()
    quiet: tuple[str, ...] = ()
    interval: str = "1m"
    """Between two values, and between two evaluations."""
