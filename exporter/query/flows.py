"""Usage as flows between dimensions (Sankey) and as nested areas (treemap).

Small values of a dimension are folded into one, so that a drawing stays readable and its sums stay
exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from exporter.query.amounts import Usd
from exporter.spans.schema import TOKEN_KINDS

NOT_SET = "(not set)"
OTHER = "(other)"
TOTAL = "total"

Measure = Literal["cost", "tokens", "requests"]
Record = Mapping[str, Any]
Path = tuple[str, ...]


class Amounts(BaseModel):
    """What flows."""

    model_config = ConfigDict(frozen=True)

    cost_usd: Usd = Field(description="Exact cost.")
    estimated_cost_usd: Usd = Field(description="Cost of estimated tokens, not in cost_usd.")
    tokens_total: int
    requests: int


class NodeName(BaseModel):
    """What names a node."""

    id: str = Field(examples=["model=gpt-4o"])
    dimension: str
    name: str
    depth: int = Field(description="Position of the dimension, from 0.")


class Node(Amounts, NodeName):
    """A value of a dimension, or what is folded of it."""


class LinkName(BaseModel):
    """What names a link."""

    source: str = Field(description="Id of a node.", examples=["model=gpt-4o"])
    target: str = Field(description="Id of a node.", examples=["feature=search"])
    source_name: str
    target_name: str


class Link(Amounts, LinkName):
    """What flows from a value of a dimension to one of the next."""


class AreaName(BaseModel):
    """What names an area."""

    id: str = Field(examples=["total/openai/gpt-4o"])
    parent: str = Field(description="Id of the area around it, empty for the whole.")
    dimension: str = Field(description="Empty for the whole.")
    name: str
    depth: int


class Area(Amounts, AreaName):
    """An area of the treemap. The areas below it add up to it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a picture shows: its dimensions, what sizes are, and how many values are kept."""

    by: tuple[str, ...]
    measure: Measure
    top: int


@dataclass(frozen=True, slots=True)
class _Sum:
    cost: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)
    tokens: int = 0
    requests: int = 0

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(
            self.cost + other.cost,
            self.estimated + other.estimated,
            self.tokens + other.tokens,
            self.requests + other.requests,
        )

    def fields(self) -> dict[str, Any]:
        return {
            "cost_usd": self.cost,
            "estimated_cost_usd": self.estimated,
            "tokens_total": self.tokens,
            "requests": self.requests,
        }


_SIZES: dict[str, Callable[[_Sum], Decimal | int]] = {
    "cost": lambda found: found.cost + found.estimated,
    "tokens": lambda found: found.tokens,
    "requests": lambda found: found.requests,
}


def sankey(
    records: Iterable[Record], by: Mapping[str, str], measure: Measure, top: int
) -> tuple[list[Link], list[Node]]:
    """Return the links between the dimensions `by` (name to column), the largest first, and nodes.

    Of each dimension the `top` largest values are kept.
    """
    names = list(by)
    sums = _sums(records, list(by.values()))
    kept = [_largest(_level(sums, at), measure, top) for at in range(len(names))]
    nodes: defaultdict[tuple[int, str], _Sum] = defaultdict(_Sum)
    links: defaultdict[tuple[int, str, str], _Sum] = defaultdict(_Sum)
    for path, amount in sums.items():
        folded = [name if name in kept[at] else OTHER for at, name in enumerate(path)]
        for at, name in enumerate(folded):
            nodes[at, name] += amount
            if at:
                links[at, folded[at - 1], name] += amount
    shown_links = [
        Link(
            source=f"{names[at - 1]}={source}",
            target=f"{names[at]}={target}",
            source_name=source,
            target_name=target,
            **amount.fields(),
        )
        for (at, source, target), amount in _sorted(links, measure)
    ]
    shown_nodes = [
        Node(id=f"{names[at]}={name}", dimension=names[at], name=name, depth=at, **amount.fields())
        for (at, name), amount in _sorted(nodes, measure)
    ]
    return shown_links, sorted(shown_nodes, key=lambda node: node.depth)


def treemap(
    records: Iterable[Record], by: Mapping[str, str], measure: Measure, top: int
) -> list[Area]:
    """Return nested areas, the outer before the inner; in each the `top` largest are kept."""
    names = list(by)
    areas: list[Area] = []

    def split(sums: Mapping[Path, _Sum], inside: str, depth: int) -> None:
        kept = _largest(_level(sums, depth), measure, top)
        parts: defaultdict[str, dict[Path, _Sum]] = defaultdict(dict)
        for path, amount in sums.items():
            parts[path[depth] if path[depth] in kept else OTHER][path] = amount
        totals = {name: sum(part.values(), _Sum()) for name, part in parts.items()}
        for name, amount in _sorted(totals, measure):
            area = f"{inside}/{name.replace('/', '%2F')}"
            areas.append(
                Area(
                    id=area,
                    parent=inside,
                    dimension=names[depth],
                    name=name,
                    depth=depth + 1,
                    **amount.fields(),
                )
            )
            if depth + 1 < len(names):
                split(parts[name], area, depth + 1)

    sums = _sums(records, list(by.values()))
    whole = sum(sums.values(), _Sum())
    areas.append(Area(id=TOTAL, parent="", dimension="", name=TOTAL, depth=0, **whole.fields()))
    split(sums, TOTAL, 0)
    return areas


def _sums(records: Iterable[Record], columns: Sequence[str]) -> dict[Path, _Sum]:
    sums: defaultdict[Path, _Sum] = defaultdict(_Sum)
    for record in records:
        tokens = sum(int(record[kind.column]) for kind in TOKEN_KINDS)
        amount = _Sum(
            record["CostUsd"], record["EstimatedCostUsd"], tokens, int(record["Requests"])
        )
        sums[tuple(record[column] or NOT_SET for column in columns)] += amount
    return sums


def _level(sums: Mapping[Path, _Sum], at: int) -> dict[str, _Sum]:
    level: defaultdict[str, _Sum] = defaultdict(_Sum)
    for path, amount in sums.items():
        level[path[at]] += amount
    return level


def _largest(level: Mapping[str, _Sum], measure: Measure, top: int) -> set[str]:
    return {name for name, _ in _sorted(level, measure)[:top]}


def _sorted(sums: Mapping[Any, _Sum], measure: Measure) -> list[tuple[Any, _Sum]]:
    size = _SIZES[measure]
    return sorted(sums.items(), key=lambda pair: (-size(pair[1]), pair[0]))
