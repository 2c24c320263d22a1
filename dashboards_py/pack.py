"""The whole pack: every topic's alerts and every group of records, found by directory."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from dashboards_py import alerts, cases, rules
from dashboards_py.alert import Alert, Case, Group
from dashboards_py.thresholds import Configuration


def topics(configuration: Configuration) -> dict[str, tuple[Alert, ...]]:
    """Return the alerts of each topic; the topic is the name of its file."""
    return {
        name: module.alerts(configuration.thresholds, configuration.site)
        for name, module in _modules(alerts)
    }


def records(configuration: Configuration) -> dict[str, list[Group]]:
    """Return the groups of recording rules of each file."""
    return {name: module.groups(configuration.thresholds) for name, module in _modules(rules)}


def stories() -> dict[str, tuple[Case, ...]]:
    """Return the test cases by name of their alert."""
    return {name: found for _, module in _modules(cases) for name, found in module.CASES.items()}


def _modules(package: ModuleType) -> list[tuple[str, ModuleType]]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [(name, importlib.import_module(f"{package.__name__}.{name}")) for name in names]
