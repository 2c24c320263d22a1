"""Alerts and records as Prometheus rule files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from dashboards_py.alert import PRODUCT, SEVERITY, VARIABLES, Alert, Dashboard, Group, Record
from dashboards_py.expressions import duration
from dashboards_py.thresholds import Site


def rule_file(groups: list[Group], topic: str, site: Site) -> dict[str, Any]:
    """Return a rule file; `topic` becomes a label of its alerts."""
    return {"groups": [_group(group, topic, site) for group in groups]}


def labels(alert: Alert, topic: str) -> dict[str, str]:
    """Return the labels that an alert has besides those of its expression."""
    return {
        "priority": str(alert.priority),
        "severity": SEVERITY[alert.priority],
        "topic": topic,
        **PRODUCT,
    }


def texts(alert: Alert, site: Site) -> dict[str, str]:
    """Return an alert's texts and links, as templates."""
    shown = {label: f"{{{{ $labels.{label} | urlquery }}}}" for label in alert.keep}
    return {"summary": alert.summary, "description": alert.description} | links(alert, site, shown)


def links(alert: Alert, site: Site, values: Mapping[str, str]) -> dict[str, str]:
    """Return an alert's links; `values` are the labels as they stand in an address."""
    found = {"dashboard_url": _dashboard(site, alert.dashboard, values)}
    if runbook := site.runbook(alert.name):
        found["runbook_url"] = runbook
    if alert.traces:
        found["trace_url"] = _dashboard(site, Dashboard.TRACES, values)
    return found


def in_address(values: Mapping[str, str]) -> dict[str, str]:
    """Return label values as Prometheus' `urlquery` writes them."""
    return {name: quote_plus(value) for name, value in values.items()}


def _dashboard(site: Site, uid: Dashboard, values: Mapping[str, str]) -> str:
    variables = [
        f"var-{VARIABLES[label]}={value}" for label, value in values.items() if label in VARIABLES
    ]
    return f"{site.grafana_url}/d/{uid}" + (f"?{'&'.join(variables)}" if variables else "")


def _group(group: Group, topic: str, site: Site) -> dict[str, Any]:
    interval = {} if group.interval_s is None else {"interval": duration(group.interval_s)}
    return {
        "name": group.name,
        **interval,
        "rules": [
            {"record": rule.name, "expr": rule.expr}
            if isinstance(rule, Record)
            else _alert(rule, topic, site)
            for rule in group.rules
        ],
    }


def _alert(alert: Alert, topic: str, site: Site) -> dict[str, Any]:
    times = {"for": alert.hold_s, "keep_firing_for": alert.keep_firing_s}
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **{name: duration(seconds) for name, seconds in times.items() if seconds},
        "labels": labels(alert, topic),
        "annotations": texts(alert, site),
    }
