"""Read what stands between the braces of TraceQL: one comparison after the other."""

from __future__ import annotations

from typing import Any

from lark import Token, Tree

from exporter.query.grammar import unquote, wrong
from exporter.query.traceql.ast import Named
from exporter.query.traceql.fields import (
    DURATIONS,
    IDS,
    INTRINSICS,
    KEYWORDS,
    OF_PARENT,
    ROOT,
    attribute,
    intrinsic,
    is_attribute,
)
from exporter.query.traceql.literals import Literal, nanoseconds, number
from exporter.query.traceql.terms import Computed, Side, Terms, fields_of
from exporter.spans.condition import (
    EVERY_SPAN,
    AllOf,
    AnyOf,
    AttributeField,
    ColumnField,
    Compare,
    Comparison,
    Condition,
    Not,
    OfParent,
    PlaceField,
    TraceField,
    Value,
)

_NO_SPAN = AnyOf(())
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NEGATIVE = {Comparison.NOT_EQUAL, Comparison.MATCHES_NOT}
_PATTERNS = {Comparison.MATCHES, Comparison.MATCHES_NOT}
_EQUALITY = {Comparison.EQUAL, Comparison.NOT_EQUAL}
# What a comparison of nestedSetParent says: whether the span is a root.
_ROOTS = {
    "<0": True,
    "=-1": True,
    "<=-1": True,
    ">0": False,
    ">=0": False,
    "!=-1": False,
    ">-1": False,
}
# What a word may be that is no field.
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "nil": None}
_STATES = {word for words in KEYWORDS.values() for word in words}


class Comparisons:
    """Reads comparisons, fields and values of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._terms = Terms(self.operand, self._wrong)

    def read(self, tree: Tree[Token], named: list[Named]) -> Condition:
        """Return the condition of a comparison; add the fields that it names."""
        children: list[Any] = list(tree.children)
        left, operator, right = children
        position = tree.meta.start_pos
        one = self._terms.side(left)
        if operator is None:
            return self._alone(one, position, named)
        sign, other = str(operator.children[0]), self._terms.side(right)
        if isinstance(one, Literal) and isinstance(other, Literal):
            raise self._wrong("a comparison needs a field, such as span.key or duration", position)
        if isinstance(one, Literal):
            one, other, sign = other, one, _FLIPPED.get(sign, sign)
        if isinstance(one, Named) and isinstance(other, Literal):
            return self._of_field(one, Comparison(sign), other, position, named)
        named += [each for side in (one, other) for each in fields_of(side)]
        return self._terms.between(one, Comparison(sign), other, position)

    def operand(self, tree: Any) -> Named | Literal:
        """Return a field or a value."""
        token: Token = tree.children[0]
        position = token.start_pos or 0
        match token.type:
            case "TEXT":
                return Literal(unquote(token, self._text), "text", position)
            case "NUMBER":
                return Literal(number(token), "number", position)
            case "DURATION":
                return Literal(nanoseconds(token), "duration", position)
            case "ATTRIBUTE":
                return attribute(str(token))
            case _:
                return self._word(str(token), position)

    def field(self, tree: Any) -> Named:
        """Return a field; raise WrongQueryError for a value."""
        found = self.operand(tree)
        if isinstance(found, Literal):
            raise self._wrong("a field is expected, such as span.key or duration", found.position)
        if found.name.startswith(OF_PARENT):
            raise self._wrong(f"{found.name} is compared with a value only", tree.meta.start_pos)
        return found

    def _word(self, word: str, position: int) -> Named | Literal:
        if found := intrinsic(word):
            return found
        if word in _CONSTANTS:
            return Literal(_CONSTANTS[word], "nil" if word == "nil" else "bool", position)
        if word in _STATES:
            return Literal(word, "keyword", position)
        known = ", ".join(INTRINSICS)
        problem = f"unknown field {word}; an attribute is span.{word}, resource.{word} or .{word}"
        raise self._wrong(f"{problem}; fields of their own are {known}", position)

    def _alone(self, one: Side, position: int, named: list[Named]) -> Condition:
        if isinstance(one, Literal):
            if one.kind != "bool":
                raise self._wrong("a value alone is no condition", position)
            return EVERY_SPAN if one.value else _NO_SPAN
        if isinstance(one, Computed) or not isinstance(one.field, AttributeField):
            what = "this" if isinstance(one, Computed) else one.name
            raise self._wrong(f"{what} has to be compared with something", position)
        truth = Literal(value=True, kind="bool", position=position)
        return self._of_field(one, Comparison.EQUAL, truth, position, named)

    def _of_field(
        self, one: Named, sign: Comparison, other: Literal, position: int, named: list[Named]
    ) -> Condition:
        if not one.name.startswith(OF_PARENT):
            named.append(one)
            return self._compared(one, sign, other, position)
        if other.kind == "nil" and sign is Comparison.EQUAL:
            # Also of a span whose parent has not arrived, or that has none.
            return Not(OfParent(Compare(one.field, Comparison.NOT_EQUAL, None)))
        return OfParent(self._compared(one, sign, other, position))

    def _compared(self, one: Named, sign: Comparison, other: Literal, position: int) -> Condition:
        if isinstance(one.field, PlaceField):
            return self._place(one.field, sign, other, position)
        value = self._value(one, sign, other)
        if other.kind in {"nil", "bool"} and sign not in _EQUALITY:
            raise self._wrong("nil, true and false are compared by = and != only", position)
        if sign in _PATTERNS and not isinstance(value, str):
            raise self._wrong("=~ and !~ take a pattern in quotes", other.position)
        compared = Compare(one.field, sign, value)
        if sign in _NEGATIVE and value is not None and is_attribute(one):
            return AllOf((Compare(one.field, Comparison.NOT_EQUAL, None), compared))
        return compared

    def _value(self, one: Named, sign: Comparison, other: Literal) -> Value:
        name = one.field.column if isinstance(one.field, ColumnField) else one.field
        if isinstance(name, AttributeField) or other.kind == "nil":
            if other.kind == "keyword":
                raise self._wrong("write the value of an attribute in quotes", other.position)
            return other.value
        if name in KEYWORDS:
            return self._keyword(str(name), sign, other)
        if name in DURATIONS:
            if other.kind not in {"duration", "number"}:
                raise self._wrong(f"{one.name} takes a duration such as 1.5s", other.position)
            return other.value
        if name in IDS and isinstance(other.value, str) and sign in _EQUALITY:
            return other.value.lower().zfill(IDS[str(name)])
        if isinstance(name, TraceField) and other.kind != "text":
            raise self._wrong(f"{one.name} takes text in quotes", other.position)
        return other.value

    def _keyword(self, column: str, sign: Comparison, other: Literal) -> Value:
        words = KEYWORDS[column]
        if sign in _PATTERNS and other.kind == "text":
            return f"(?i:{other.value})"
        if other.value not in words or sign not in _EQUALITY:
            known = ", ".join(words)
            raise self._wrong(f"this takes = or != and one of {known}", other.position)
        return words[str(other.value)]

    def _place(
        self, field: PlaceField, sign: Comparison, other: Literal, position: int
    ) -> Condition:
        if field is PlaceField.PARENT:
            return self._root(sign, other)
        if field is not PlaceField.CHILDREN:
            raise self._wrong(f"{field} is not compared; | select({field}) shows it", position)
        if other.kind != "number" or sign in _PATTERNS:
            raise self._wrong(f"{field} is compared with a number", other.position)
        return Compare(field, sign, other.value)

    def _root(self, sign: Comparison, other: Literal) -> Condition:
        """Read nestedSetParent, of which only the sign is known: below 0 for a root."""
        is_root = _ROOTS.get(f"{sign.value}{other.value}") if other.kind == "number" else None
        if is_root is not None:
            found = Comparison.EQUAL if is_root else Comparison.NOT_EQUAL
            return Compare(ColumnField("ParentSpanId"), found, None)
        raise self._wrong(f"of {ROOT} only < 0 (roots) and >= 0 are served", other.position)

    def _wrong(self, problem: str, position: int) -> Exception:
        return wrong(problem, self._text, position)
