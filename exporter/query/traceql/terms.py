"""Read what is computed with fields, and what fields are compared with each other."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exporter.query.traceql.ast import Named
from exporter.query.traceql.fields import KEYWORDS, NUMERIC, OF_PARENT, is_of_span
from exporter.query.traceql.literals import Literal
from exporter.spans.condition import (
    AttributeField,
    Calculated,
    ColumnField,
    CompareTerms,
    Comparison,
    Condition,
    Operation,
    Scope,
    Term,
)

CALCULATIONS_MAX = 50
"""Signs between numbers in one comparison."""
_PATTERNS = {Comparison.MATCHES, Comparison.MATCHES_NOT}
_FOLDED: dict[Operation, Callable[[float, float], float]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
    Operation.DIVIDE: operator.truediv,
    Operation.REMAINDER: math.fmod,
    Operation.POWER: operator.pow,
}
Wrong = Callable[[str, int], Exception]
"""Makes the error that shows a place."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A number that is computed of fields, and which."""

    term: Term
    named: tuple[Named, ...]
    position: int


Side = Named | Literal | Computed
"""What stands on one side of a comparison."""


class Terms:
    """Reads one side of a comparison after the other."""

    def __init__(self, operand: Callable[[Any], Named | Literal], wrong: Wrong) -> None:
        self._operand = operand
        self._wrong = wrong

    def side(self, tree: Any) -> Side:
        """Return a field, a value, or what is computed; numbers are computed with right away."""
        position = tree.meta.start_pos
        signs = sum(each.data in {"calculation", "minus"} for each in tree.iter_subtrees())
        if signs > CALCULATIONS_MAX:
            problem = f"more than {CALCULATIONS_MAX} calculations in one comparison"
            raise self._wrong(problem, position)
        return self._side(tree)

    def between(self, one: Side, sign: Comparison, other: Side, position: int) -> Condition:
        """Return the condition that compares two sides that are not a field and a value."""
        if sign in _PATTERNS:
            raise self._wrong("=~ and !~ take a pattern in quotes", position)
        if isinstance(one, Named) and isinstance(other, Named):
            return CompareTerms(self._plain(one, position), sign, self._plain(other, position))
        return CompareTerms(self._number(one, position), sign, self._number(other, position))

    def _side(self, tree: Any) -> Side:
        position = tree.meta.start_pos
        match tree.data:
            case "calculation":
                left, sign, right = tree.children
                operation = Operation(str(sign.children[0]))
                return self._computed(operation, self._side(left), self._side(right), position)
            case "minus":
                nothing = Literal(0, "number", position)
                inner = self._side(tree.children[0])
                return self._computed(Operation.SUBTRACT, nothing, inner, position)
            case _:
                return self._operand(tree)

    def _computed(self, operation: Operation, left: Side, right: Side, position: int) -> Side:
        one, other = self._number(left, position), self._number(right, position)
        if isinstance(left, Literal) and isinstance(right, Literal):
            kind = "duration" if "duration" in {left.kind, right.kind} else "number"
            return Literal(self._folded(operation, one, other, position), kind, position)
        named = (*fields_of(left), *fields_of(right))
        return Computed(Calculated(operation, one, other), named, position)

    def _folded(self, operation: Operation, one: Term, other: Term, position: int) -> float:
        assert isinstance(one, int | float)  # noqa: S101 - both are values
        assert isinstance(other, int | float)  # noqa: S101
        try:
            # As the store does it; whole numbers would grow without end.
            found: object = _FOLDED[operation](float(one), float(other))
        except (ArithmeticError, ValueError):
            found = math.nan
        if not isinstance(found, float) or not math.isfinite(found):
            raise self._wrong("this is no number", position)
        return int(found) if found.is_integer() and abs(found) < 2**53 else found

    def _number(self, side: Side, position: int) -> Term:
        match side:
            case Computed():
                return side.term
            case Literal():
                if side.kind not in {"number", "duration"}:
                    raise self._wrong("this is no number", side.position)
                assert isinstance(side.value, int | float)  # noqa: S101 - its kind says so
                return side.value
            case Named():
                field = self._plain(side, position)
                if isinstance(field, ColumnField) and field.column not in NUMERIC:
                    raise self._wrong(f"{side.name} is no number", position)
                return field

    def _plain(self, named: Named, position: int) -> ColumnField | AttributeField:
        field = named.field
        if named.name.startswith(OF_PARENT) or not is_of_span(named):
            raise self._wrong(f"{named.name} is compared with a value only", position)
        assert isinstance(field, ColumnField | AttributeField)  # noqa: S101 - seen above
        several = (
            field.scope in {Scope.EVENT, Scope.LINK}
            if isinstance(field, AttributeField)
            else field.column.startswith(("Events.", "Links.")) or field.column in KEYWORDS
        )
        if several:
            raise self._wrong(f"{named.name} is compared with a value only", position)
        return field


def fields_of(side: Side) -> tuple[Named, ...]:
    """Return the fields that a side names."""
    match side:
        case Named():
            return (side,)
        case Computed():
            return side.named
        case Literal():
            return ()
