"""Work out what a query finds in one trace, where single spans do not tell."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from exporter.query.traceql.ast import (
    AllSets,
    AnySets,
    By,
    Coalesce,
    Filter,
    Finds,
    Function,
    Named,
    Query,
    Related,
    Relation,
    Spans,
    Stage,
    Threshold,
    filters,
)
from exporter.spans.condition import Comparison

Found = frozenset[int]
"""Positions of spans in their trace."""
Shown = tuple[str | None, str]
"""A value's text, None where there is none, and its kind."""

_INVERSE = {
    Relation.CHILD: Relation.PARENT,
    Relation.PARENT: Relation.CHILD,
    Relation.DESCENDANT: Relation.ANCESTOR,
    Relation.ANCESTOR: Relation.DESCENDANT,
    Relation.SIBLING: Relation.SIBLING,
}
_COMPARED: dict[Comparison, Callable[[float, float], bool]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.NOT_EQUAL: operator.ne,
    Comparison.LESS: operator.lt,
    Comparison.LESS_OR_EQUAL: operator.le,
    Comparison.GREATER: operator.gt,
    Comparison.GREATER_OR_EQUAL: operator.ge,
}
NEEDS_MAX = 64
"""Ways in which a trace may have what a query needs; beyond it any of its spans will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The spans of a trace, each once."""

    ids: Sequence[str]
    parents: Sequence[str]
    met: Sequence[Sequence[bool]]
    """For each filter of the query, whether each span meets it."""
    values: dict[str, Sequence[Shown]]
    """For each field that a stage computes with, by its name, each span's value."""


@dataclass(frozen=True, slots=True)
class FoundSet:
    """A set of spans, and the values that it was grouped by."""

    spans: tuple[int, ...]
    by: tuple[tuple[str, Shown], ...] = ()


def needed(query: Query) -> tuple[frozenset[int], ...]:
    """Return the sets of filters (positions in `filters`) of which a trace must meet one whole."""
    every = filters(query.spans)
    found = _needed(query.spans, every)
    if len(found) > NEEDS_MAX:
        found = [frozenset({at}) for at in range(len(every))]
    return tuple(dict.fromkeys(found))


def computed(query: Query) -> tuple[Named, ...]:
    """Return the fields that stages compute with."""
    fields = [stage.field for stage in query.stages if isinstance(stage, By | Threshold)]
    return tuple({field.name: field for field in fields if field is not None}.values())


def evaluate(query: Query, trace: Trace) -> list[FoundSet]:
    """Return what a query finds in a trace: sets of spans, none of them empty."""
    position = {each: at for at, each in enumerate(filters(query.spans))}
    tree = _Tree(trace)
    found = _found(query.spans, trace, position, tree)
    sets = [FoundSet(tuple(sorted(found)))] if found else []
    for stage in query.stages:
        sets = _after(stage, sets, trace)
    return sets


def _needed(spans: Spans, every: tuple[Filter, ...]) -> list[frozenset[int]]:
    match spans:
        case Filter():
            return [frozenset({every.index(spans)})]
        case AnySets(sets):
            return [each for one in sets for each in _needed(one, every)]
        case AllSets(sets):
            return _crossed([_needed(one, every) for one in sets])
        case Related(left, _, right, finds):
            of_right = _needed(right, every)
            if finds is Finds.NOT:
                return of_right
            return _crossed([_needed(left, every), of_right])
        case _:
            assert_never(spans)


def _crossed(parts: Iterable[list[frozenset[int]]]) -> list[frozenset[int]]:
    found: list[frozenset[int]] = [frozenset()]
    for part in parts:
        found = [one | other for one in found for other in part][: NEEDS_MAX + 1]
    return found


def _found(spans: Spans, trace: Trace, position: dict[Filter, int], tree: _Tree) -> Found:
    match spans:
        case Filter():
            met = trace.met[position[spans]]
            return frozenset(at for at, meets in enumerate(met) if meets)
        case AnySets(sets):
            return frozenset().union(*(_found(one, trace, position, tree) for one in sets))
        case AllSets(sets):
            found = [_found(one, trace, position, tree) for one in sets]
            return frozenset().union(*found) if all(found) else frozenset()
        case Related(left, relation, right, finds):
            one = _found(left, trace, position, tree)
            other = _found(right, trace, position, tree)
            return tree.related(one, relation, other, finds)
        case _:
            assert_never(spans)


class _Tree:
    """Who is whose parent in a trace; loops and missing parents do no harm."""

    def __init__(self, trace: Trace) -> None:
        position = {span_id: at for at, span_id in enumerate(trace.ids)}
        self._parents = [position.get(parent) for parent in trace.parents]
        self._parent_ids = trace.parents

    def related(self, left: Found, relation: Relation, right: Found, finds: Finds) -> Found:
        found = self._right(left, relation, right)
        if finds is Finds.NOT:
            return right - found
        if finds is Finds.BOTH:
            return found | self._right(right, _INVERSE[relation], left)
        return found

    def _right(self, left: Found, relation: Relation, right: Found) -> Found:
        match relation:
            case Relation.CHILD:
                return frozenset(at for at in right if self._parents[at] in left)
            case Relation.PARENT:
                return right & {self._parents[at] for at in left}
            case Relation.DESCENDANT:
                below = self._below(left)
                return frozenset(at for at in right if at in below)
            case Relation.ANCESTOR:
                return right & self._above(left)
            case Relation.SIBLING:
                return self._siblings(left, right)
            case _:
                assert_never(relation)

    def _below(self, tops: Found) -> set[int]:
        children: dict[int, list[int]] = {}
        for at, parent in enumerate(self._parents):
            if parent is not None:
                children.setdefault(parent, []).append(at)
        found: set[int] = set()
        waiting = list(tops)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        return found

    def _above(self, bottoms: Found) -> set[int]:
        found: set[int] = set()
        for bottom in bottoms:
            at = self._parents[bottom]
            while at is not None and at not in found:
                found.add(at)
                at = self._parents[at]
        return found

    def _siblings(self, left: Found, right: Found) -> Found:
        beside: dict[str, set[int]] = {}
        for at in left:
            beside.setdefault(self._parent_ids[at], set()).add(at)
        return frozenset(
            at
            for at in right
            if self._parent_ids[at] and beside.get(self._parent_ids[at], set()) - {at}
        )


# Stages ---------------------------------------------------------------------------------------


def _after(stage: Stage, sets: list[FoundSet], trace: Trace) -> list[FoundSet]:
    match stage:
        case By(field):
            return [part for each in sets for part in _grouped(each, field, trace)]
        case Coalesce():
            spans = sorted({at for each in sets for at in each.spans})
            return [FoundSet(tuple(spans))] if spans else []
        case Threshold():
            return [each for each in sets if _holds(stage, each, trace)]
        case _:
            return sets


def _grouped(found: FoundSet, field: Named, trace: Trace) -> list[FoundSet]:
    values = trace.values[field.name]
    groups: dict[Shown, list[int]] = {}
    for at in found.spans:
        groups.setdefault(values[at], []).append(at)
    return [
        FoundSet(tuple(spans), (*found.by, (field.name, value))) for value, spans in groups.items()
    ]


def _holds(stage: Threshold, found: FoundSet, trace: Trace) -> bool:
    compared = _COMPARED[stage.comparison]
    if stage.field is None:
        return compared(len(found.spans), stage.value)
    values = trace.values[stage.field.name]
    numbers = [number for at in found.spans if (number := _number(values[at])) is not None]
    if not numbers:
        return False
    match stage.function:
        case Function.MIN:
            return compared(min(numbers), stage.value)
        case Function.MAX:
            return compared(max(numbers), stage.value)
        case Function.AVG:
            return compared(sum(numbers) / len(numbers), stage.value)
        case _:
            return compared(sum(numbers), stage.value)


def _number(shown: Shown) -> float | None:
    text, kind = shown
    if text is None or kind not in {"int", "double", "duration"}:
        return None
    return float(text) if kind == "double" else int(text)
