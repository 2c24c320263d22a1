"""Read what stands between the braces of TraceQL: one comparison after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lark import Token, Tree

from exporter.query.grammar import unquote, wrong
from exporter.query.traceql.ast import Named
from exporter.query.traceql.fields import (
    DURATIONS,
    IDS,
    INTRINSICS,
    KEYWORDS,
    ROOT,
    attribute,
    intrinsic,
    is_attribute,
)
from exporter.spans.condition import (
    EVERY_SPAN,
    AllOf,
    AnyOf,
    AttributeField,
    ColumnField,
    Compare,
    Comparison,
    Condition,
    TraceField,
    Value,
)

_NO_SPAN = AnyOf(())
_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_SMALL = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}
_UNITS = {**_SMALL, "m": 60 * 10**9, "h": 3600 * 10**9}
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


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of the query; `kind` is text, number, duration, bool, nil or keyword."""

    value: Value
    kind: str
    position: int


class Comparisons:
    """Reads comparisons, fields and values of one text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, tree: Tree[Token], named: list[Named]) -> Condition:
        """Return the condition of a comparison; add the fields that it names."""
        children: list[Any] = list(tree.children)
        left, operator, right = children
        position = tree.meta.start_pos
        one = self.operand(left)
        if operator is None:
            return self._alone(one, position, named)
        sign, other = str(operator.children[0]), self.operand(right)
        if isinstance(one, Named) and isinstance(other, Named):
            raise self._wrong("two fields cannot be compared with each other yet", position)
        if isinstance(one, Literal) and isinstance(other, Literal):
            raise self._wrong("a comparison needs a field, such as span.key or duration", position)
        if isinstance(one, Literal):
            one, other, sign = other, one, _FLIPPED.get(sign, sign)
        assert isinstance(one, Named)  # noqa: S101 - seen above
        assert isinstance(other, Literal)  # noqa: S101
        named.append(one)
        return self._compared(one, Comparison(sign), other, position)

    def operand(self, tree: Any) -> Named | Literal:
        """Return a field or a value."""
        token: Token = tree.children[0]
        position = token.start_pos or 0
        match token.type:
            case "TEXT":
                return Literal(unquote(token, self._text), "text", position)
            case "NUMBER":
                return Literal(_number(token), "number", position)
            case "DURATION":
                return Literal(nanoseconds(token), "duration", position)
            case "ATTRIBUTE":
                return self._attribute(token, position)
            case _:
                return self._word(str(token), position)

    def field(self, tree: Any) -> Named:
        """Return a field; raise WrongQueryError for a value."""
        found = self.operand(tree)
        if isinstance(found, Literal):
            raise self._wrong("a field is expected, such as span.key or duration", found.position)
        return found

    def _attribute(self, token: Token, position: int) -> Named:
        if token.startswith("parent."):
            raise self._wrong("parent. is not served; use { } > { }", position)
        return attribute(str(token))

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

    def _alone(self, one: Named | Literal, position: int, named: list[Named]) -> Condition:
        if isinstance(one, Literal):
            if one.kind != "bool":
                raise self._wrong("a value alone is no condition", position)
            return EVERY_SPAN if one.value else _NO_SPAN
        if not isinstance(one.field, AttributeField):
            raise self._wrong(f"{one.name} has to be compared with something", position)
        named.append(one)
        return Compare(one.field, Comparison.EQUAL, True)

    def _compared(self, one: Named, sign: Comparison, other: Literal, position: int) -> Condition:
        if one.name == ROOT:
            return self._root(sign, other)
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

    def _root(self, sign: Comparison, other: Literal) -> Condition:
        """Read nestedSetParent, of which only the sign is known: below 0 for a root."""
        is_root = _ROOTS.get(f"{sign.value}{other.value}") if other.kind == "number" else None
        if is_root is not None:
            found = Comparison.EQUAL if is_root else Comparison.NOT_EQUAL
            return Compare(ColumnField("ParentSpanId"), found, None)
        raise self._wrong(f"of {ROOT} only < 0 (roots) and >= 0 are served", other.position)

    def _wrong(self, problem: str, position: int) -> Exception:
        return wrong(problem, self._text, position)


def nanoseconds(text: str) -> int:
    """Return a duration such as -1h2.5s."""
    total = 0.0
    exact = 0
    for amount, unit in _PART.findall(text):
        if "." in amount:
            total += float(amount) * _UNITS[unit]
        else:
            exact += int(amount) * _UNITS[unit]
    sign = -1 if text.startswith("-") else 1
    return sign * (exact + round(total))


def _number(text: str) -> float:
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else float(text)
