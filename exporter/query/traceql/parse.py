"""Read TraceQL: text becomes a query, or an error that says what is wrong or not served, and where.

The meaning is Tempo's: an attribute that is absent is neither equal nor unequal to a value; only
`= nil` finds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lark import Token, Tree

from exporter.errors import WrongQueryError
from exporter.query.grammar import read, wrong
from exporter.query.traceql.ast import (
    AllSets,
    AnySets,
    Filter,
    Finds,
    Named,
    Query,
    Related,
    Relation,
    Spans,
)
from exporter.query.traceql.comparisons import Comparisons
from exporter.query.traceql.stages import Stages
from exporter.spans.condition import EVERY_SPAN, AllOf, AnyOf, Condition, Not

NESTING_MAX = 30
"""Brackets within brackets. A query that a person writes has three or four."""
FILTERS_MAX = 16
"""Sets of spans of one query; each is a column that is computed for every span."""

_NAMES = {
    "WORD": "a name",
    "ATTRIBUTE": "an attribute such as span.key",
    "INTRINSIC": "",
    "TEXT": "quoted text",
    "NUMBER": "a number",
    "PLUS": "a sign such as +",
    "MINUS": "",
    "STAR": "",
    "SLASH": "",
    "PERCENT": "",
    "CIRCUMFLEX": "",
    "DURATION": "a duration",
}
_TEXTS = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|`[^`]*`')


def parse(text: str) -> Query:
    """Return what a query says; raise WrongQueryError that shows the place.

    The empty text says `{}`: every span.
    """
    if not text.strip():
        return Query(Filter(EVERY_SPAN))
    _nesting(text)
    return _Reader(text).query(read(text, "traceql/traceql.lark", _NAMES))


def _nesting(text: str) -> None:
    """Refuse what would be read by too deep a recursion."""
    plain = _TEXTS.sub(lambda found: " " * len(found[0]), text)
    depth = 0
    for position, sign in enumerate(plain):
        depth += (sign in "({") - (sign in ")}")
        if depth > NESTING_MAX:
            raise wrong(f"brackets are nested more than {NESTING_MAX} deep", text, position)


class _Reader:
    """Reads one tree; keeps the text for its messages."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._filters = 0
        self._comparisons = Comparisons(text)
        self._stages = Stages(text, self._comparisons, self._spans)

    def query(self, tree: Tree[Token]) -> Query:
        spans, *rest = tree.children
        assert isinstance(spans, Tree)  # noqa: S101 - the grammar says so
        trees = [each for each in rest if isinstance(each, Tree)]
        query = Query(self._spans(spans))
        for each in trees:
            query = self._stages.add(query, each)
        return query

    def _spans(self, tree: Tree[Token]) -> Spans:
        children = [each for each in tree.children if isinstance(each, Tree)]
        match tree.data:
            case "alternatives":
                return self._joined(children, AnySets)
            case "together":
                return self._joined(children, AllSets)
            case "relation":
                return self._related(children)
            case _:
                return self._filter(tree, children)

    def _joined(
        self, children: list[Tree[Token]], join: Callable[[tuple[Spans, ...]], Spans]
    ) -> Spans:
        sets = tuple(self._spans(child) for child in children)
        return sets[0] if len(sets) == 1 else join(sets)

    def _related(self, children: list[Tree[Token]]) -> Related:
        # A chain of relations leans to the left; a loop takes it from there.
        chain: list[tuple[str, Tree[Token]]] = []
        left: Tree[Token] = children[0]
        sign, right = _sign(children[1]), children[2]
        chain.append((sign, right))
        while left.data == "relation":
            inner = [each for each in left.children if isinstance(each, Tree)]
            chain.append((_sign(inner[1]), inner[2]))
            left = inner[0]
        found = self._spans(left)
        for each, spans in reversed(chain):
            finds = Finds(each[0]) if each[0] in "!&" else Finds.RIGHT
            relation = Relation(each.removeprefix(finds.value))
            found = Related(found, relation, self._spans(spans), finds)
        assert isinstance(found, Related)  # noqa: S101 - the chain has a link
        return found

    def _filter(self, tree: Tree[Token], children: list[Tree[Token]]) -> Filter:
        self._filters += 1
        if self._filters > FILTERS_MAX:
            raise wrong(f"more than {FILTERS_MAX} sets of spans", self._text, tree.meta.start_pos)
        if not children:
            return Filter(EVERY_SPAN)
        named: list[Named] = []
        condition = self._condition(children[0], named)
        return Filter(condition, tuple({each.name: each for each in named}.values()))

    def _condition(self, tree: Tree[Token], named: list[Named]) -> Condition:
        match tree.data:
            case "expression":
                parts = tuple(self._condition(each, named) for each in _trees(tree))
                return parts[0] if len(parts) == 1 else AnyOf(parts)
            case "conjunction":
                parts = tuple(self._condition(each, named) for each in _trees(tree))
                return parts[0] if len(parts) == 1 else AllOf(parts)
            case "negation":
                (inner,) = _trees(tree)
                negations = sum(isinstance(each, Token) for each in tree.children)
                condition = self._condition(inner, named)
                return Not(condition) if negations % 2 else condition
            case _:
                return self._comparisons.read(tree, named)


def _trees(tree: Tree[Token]) -> Iterator[Tree[Token]]:
    return (each for each in tree.children if isinstance(each, Tree))


def _sign(tree: Tree[Token]) -> str:
    return str(tree.children[0])


def is_query(text: str) -> bool:
    """Return whether a text can be read: what an editor sends is often not finished."""
    try:
        parse(text)
    except WrongQueryError:
        return False
    return True
