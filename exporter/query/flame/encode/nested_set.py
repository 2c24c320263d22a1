"""Rows for Grafana's Flame graph panel: frames depth first, with their level.

Panels take them as they are, through the Infinity and JSON data sources or ClickHouse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.query.flame.tree import FlameDiff, FlameTree

_NANO = 1e9

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NestedSet:
    """Columns by the names that the panel asks for, m rows each."""

    label: list[str]
    level: list[int]
    value: list[int] | list[float]
    self: list[int] | list[float]


@dataclass(frozen=True, slots=True)
class DiffNestedSet(NestedSet):
    """For a diff: `value` and `self` are of the left side, the baseline."""

    valueRight: list[int] | list[float]  # noqa: N815 - the panel's name
    selfRight: list[int] | list[float]  # noqa: N815


def to_nested_set(tree: FlameTree, *, usd: bool = False) -> NestedSet:
    """Encode a tree; with `usd`, nano-dollars become dollars, as floats."""
    return NestedSet(
        label=_labels(tree),
        level=tree.depth.tolist(),
        value=_scaled(tree.total, usd=usd).tolist(),
        self=_scaled(tree.self_value, usd=usd).tolist(),
    )


def to_diff_nested_set(diff: FlameDiff, *, usd: bool = False) -> DiffNestedSet:
    """Encode a diff; the panel itself adds both sides up for the width of a bar."""
    return DiffNestedSet(
        label=_labels(diff),
        level=diff.depth.tolist(),
        value=_scaled(diff.left_total, usd=usd).tolist(),
        self=_scaled(diff.left_self, usd=usd).tolist(),
        valueRight=_scaled(diff.right_total, usd=usd).tolist(),
        selfRight=_scaled(diff.right_self, usd=usd).tolist(),
    )


def rows(table: NestedSet) -> Iterator[dict[str, Any]]:
    """Give the columns row by row, as JSON and CSV are written."""
    names = [field.name for field in fields(table)]
    for values in zip(*(getattr(table, name) for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def _labels(tree: FlameTree | FlameDiff) -> list[str]:
    return [tree.names[code] for code in tree.name.tolist()]


def _scaled(values: npt.NDArray[np.int64], *, usd: bool) -> Numbers:
    return values / _NANO if usd else values
