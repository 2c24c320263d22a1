"""The dashboards, one file each, found by directory: a file has `board(deep=...)`.

A file whose name begins with an underscore holds sections of a dashboard that is too long for one.
`deep` is the set for a Grafana with the ClickHouse data source; without it the same questions are
answered from Prometheus, Tempo and Pyroscope.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Protocol, cast

from dashboards_py.panels import Board


class Module(Protocol):
    """What a file of this directory offers."""

    board: Callable[..., Board]


def boards(*, deep: bool) -> dict[str, Board]:
    """Return every dashboard by the name of its file."""
    return {
        name: cast("Module", importlib.import_module(f"{__name__}.{name}")).board(deep=deep)
        for name in sorted(module.name for module in pkgutil.iter_modules(__path__))
        if not name.startswith("_")
    }
