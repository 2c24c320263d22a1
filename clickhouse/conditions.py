"""Conditions as SQL: a WHERE clause whose values are all bound.

    found = where(condition, beyond=Beyond(is_content, start_ns, end_ns))
    sql.replace("/* condition */", found.sql), parameters | found.parameters

A clause is never NULL, so NOT and OR around it mean what they say. Column names come from the
schema, keys and values are parameters.

An attribute has a kind. A number is compared with integers and doubles (exactly, also above
2^53), a truth with truths, text with the text of everything else: of a list or a map that is its
JSON. What is of another kind is unequal, and neither less nor greater.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from clickhouse.binding import Names
from clickhouse.columns import MAPS, column_sql, column_type
from clickhouse.reads.session import named_sql
from clickhouse.terms import terms_clause
from exporter.errors import WrongQueryError
from exporter.spans.condition import (
    AllOf,
    AnyOf,
    AttributeField,
    ColumnField,
    Compare,
    CompareTerms,
    Comparison,
    Condition,
    Field,
    Not,
    OfParent,
    PlaceField,
    Scope,
    TraceField,
    Value,
)
from exporter.spans.schema import NANOSECONDS

_NS = "toUnixTimestamp64Nano(Timestamp)"
# Of what is said of a trace: what it is compared as, and the question that finds the traces.
_OF_TRACE = {
    TraceField.DURATION: (
        f"(max({_NS} + Duration) - min({_NS}))",
        "UInt64",
        "traces_that",
    ),
    TraceField.ROOT_NAME: ("`SpanName`", "LowCardinality(String)", "traces_with_root"),
    TraceField.ROOT_SERVICE: ("`ServiceName`", "LowCardinality(String)", "traces_with_root"),
}
# The one attribute that has a column of its own, in the table's key.
_SERVICE = AttributeField(Scope.RESOURCE, "service.name")
_NEGATED = {
    Comparison.NOT_EQUAL: Comparison.EQUAL,
    Comparison.MATCHES_NOT: Comparison.MATCHES,
}
_TEXT_TYPES = {"String", "LowCardinality(String)"}
_NEVER = "0"
Known = str | int | float | bool
_COMPARED: dict[Comparison, Callable[[float, float], bool]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.LESS: operator.lt,
    Comparison.LESS_OR_EQUAL: operator.le,
    Comparison.GREATER: operator.gt,
    Comparison.GREATER_OR_EQUAL: operator.ge,
}
# A parent that began before the time asked for is found if it did so within this.
_BEFORE_NS = 15 * 60 * NANOSECONDS
# A query's text is a tree of these, and ClickHouse refuses deep or long ones less clearly.
COMPARISONS_MAX = 200
DEPTH_MAX = 40


@dataclass(frozen=True, slots=True)
class Beyond:
    """Lets a condition look beyond a span's own row, in a time: at its content and its trace."""

    is_content: Callable[[str], bool]
    """Whether attributes of this key may hold content: that is in a table of its own."""
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Where:
    """A clause for `otel_traces`, and what its parameters stand for."""

    sql: str
    parameters: dict[str, object]


def where(condition: Condition, prefix: str = "c", beyond: Beyond | None = None) -> Where:
    """Return a condition as a clause; raise WrongQueryError for what the store cannot compare.

    Two clauses of one query need different prefixes. Without `beyond` a content attribute is
    one that no span has, and nothing can be asked of a trace.
    """
    names = Names(prefix)
    sql = clause(condition, names, beyond)
    return Where(sql, names.values)


def clause(condition: Condition, names: Names, beyond: Beyond | None = None) -> str:
    """Return a condition as a clause, its values added to `names`."""
    return _Writer(names, beyond).write(condition, DEPTH_MAX)


class _Writer:
    def __init__(self, names: Names, beyond: Beyond | None) -> None:
        self._names = names
        self._beyond = beyond
        self._left = COMPARISONS_MAX

    def write(self, condition: Condition, depth: int) -> str:
        if not depth:
            raise WrongQueryError(f"conditions are nested more than {DEPTH_MAX} deep")
        match condition:
            case AllOf(conditions):
                return self._joined(conditions, " AND ", "1", depth)
            case AnyOf(conditions):
                return self._joined(conditions, " OR ", _NEVER, depth)
            case Not(inner):
                return f"NOT {self.write(inner, depth - 1)}"
            case OfParent(inner):
                return self._of_parent(inner, depth)
            case Compare():
                self._count()
                return self._compare(condition)
            case CompareTerms():
                self._count()
                return terms_clause(condition, self._names)
            case _:
                assert_never(condition)

    def _joined(self, parts: tuple[Condition, ...], word: str, nothing: str, depth: int) -> str:
        written = [self.write(part, depth - 1) for part in parts]
        return f"({word.join(written)})" if written else nothing

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise WrongQueryError(f"more than {COMPARISONS_MAX} comparisons")

    def _compare(self, asked: Compare) -> str:
        if positive := _NEGATED.get(asked.comparison):
            return f"NOT {self._positive(asked.field, positive, asked.value)}"
        return self._positive(asked.field, asked.comparison, asked.value)

    def _positive(self, of: Field, comparison: Comparison, value: Value) -> str:
        if value is None and comparison is not Comparison.EQUAL:
            raise WrongQueryError("nil is compared by = and != only")
        if comparison is Comparison.MATCHES and not isinstance(value, str):
            raise WrongQueryError("a pattern is text")
        if isinstance(of, TraceField):
            return self._trace(of, comparison, value)
        if isinstance(of, PlaceField):
            return self._children(of, comparison, value)
        if isinstance(of, ColumnField):
            return self._column(of.column, comparison, value)
        if value is None:
            return f"NOT {self._attribute(of, comparison, None)}"
        return self._attribute(of, comparison, value)

    # Columns --------------------------------------------------------------------------------

    def _column(self, name: str, comparison: Comparison, value: Value) -> str:
        type_, column = column_type(name), column_sql(name)
        if type_.startswith("Array(") and "Map(" not in type_:
            if value is None:
                return f"empty({column})"
            inside = self._scalar("x", type_[6:-1], comparison, value)
            return f"arrayExists(x -> {inside}, {column})"
        return self._scalar(column, type_, comparison, value)

    def _scalar(self, column: str, type_: str, comparison: Comparison, value: Value) -> str:
        nullable = type_.startswith("Nullable(")
        plain = type_.removeprefix("Nullable(").removesuffix(")") if nullable else type_
        if value is None:
            if "String" in plain:
                return f"({column} = '')"
            return f"isNull({column})" if nullable else _NEVER
        compared = self._typed(column, plain, comparison, value)
        return f"ifNull({compared}, 0)" if nullable and compared != _NEVER else f"({compared})"

    def _typed(self, column: str, type_: str, comparison: Comparison, value: Known) -> str:
        kinds = (str,) if type_ in _TEXT_TYPES else (bool,) if type_ == "Bool" else (int, float)
        if type(value) not in kinds:
            return _NEVER
        if isinstance(value, str):
            return self._text(column, comparison, value)
        if isinstance(value, bool):
            return f"{column} {_is(comparison)} {str(value).lower()}"
        if type_.startswith("Decimal"):
            return f"{column} {comparison.value} {self._names.money(value)}"
        if type_.startswith("DateTime64"):
            return f"toUnixTimestamp64Nano({column}) {comparison.value} {self._names.number(value)}"
        if type_.startswith("UInt"):
            return f"{column} {comparison.value} {self._names.number(value)}"
        raise WrongQueryError("this column cannot be compared")

    def _text(self, column: str, comparison: Comparison, value: str) -> str:
        if comparison is Comparison.MATCHES:
            pattern = self._names.bind(whole(value), "String")
            # The second part is computed before any row is read: a pattern that is none is said so.
            return f"(match({column}, {pattern}) AND isNotNull(match('', {pattern})))"
        return f"{column} {comparison.value} {self._names.bind(value, 'String')}"

    # Attributes -----------------------------------------------------------------------------

    def _attribute(self, of: AttributeField, comparison: Comparison, value: Value) -> str:
        """Return the clause of a positive comparison; None: that it is there."""
        if of == _SERVICE and value is None:
            return "(`ServiceName` != '')"
        if of == _SERVICE and isinstance(value, str):
            return f"({self._text('`ServiceName`', comparison, value)})"
        if of.scope is Scope.ANY:
            return self._span_else_resource(of.key, comparison, value)
        found = self._stored(of.scope, of.key, comparison, value)
        if of.scope is Scope.SPAN and self._beyond and self._beyond.is_content(of.key):
            return f"({found} OR {self._in_content(of.key, comparison, value)})"
        return found

    def _span_else_resource(self, key: str, comparison: Comparison, value: Value) -> str:
        span, resource = AttributeField(Scope.SPAN, key), AttributeField(Scope.RESOURCE, key)
        on_span = self._attribute(span, comparison, value)
        on_resource = self._attribute(resource, comparison, value)
        if value is None:
            return f"({on_span} OR {on_resource})"
        absent = self._attribute(span, Comparison.EQUAL, None)
        return f"({on_span} OR ({on_resource} AND NOT {absent}))"

    def _stored(self, scope: Scope, key: str, comparison: Comparison, value: Value) -> str:
        texts, kinds = MAPS[scope]
        mark = self._names.bind(key, "String")
        if scope in {Scope.EVENT, Scope.LINK}:
            if value is None:
                return f"arrayExists(a -> mapContains(a, {mark}), {texts})"
            inside = self._valued("a", "t", mark, comparison, value)
            return f"arrayExists((a, t) -> {inside}, {texts}, {kinds})"
        return self._valued(texts, kinds, mark, comparison, value)

    def _valued(
        self, texts: str, kinds: str, key: str, comparison: Comparison, value: Value
    ) -> str:
        # What mapContains says, the index of the keys knows of a whole granule.
        there = f"mapContains({texts}, {key})"
        if value is None:
            return there
        text, kind = f"{texts}[{key}]", f"{kinds}[{key}]"
        if isinstance(value, bool):
            compared = f"{text} {_is(comparison)} '{str(value).lower()}'"
            return f"({there} AND {compared} AND {kind} = 'bool')"
        if isinstance(value, str):
            compared = self._text(text, comparison, value)
            plain = f"{kind} NOT IN ('int', 'double', 'bool', 'empty')"
            return f"({there} AND {compared} AND {plain})"
        than = f"{comparison.value} {self._names.number(value)}"
        as_int = f"ifNull(toInt64OrNull({text}) {than}, 0)"
        as_double = f"ifNull(toFloat64OrNull({text}) {than}, 0)"
        return f"({there} AND multiIf({kind} = 'int', {as_int}, {kind} = 'double', {as_double}, 0))"

    # Beyond the span's row -------------------------------------------------------------------

    def _trace(self, of: TraceField, comparison: Comparison, value: Value) -> str:
        column, type_, name = _OF_TRACE[of]
        inside = self._scalar(column, type_, comparison, value)
        return f"(TraceId IN ({self._within(name, inside)}))"

    def _of_parent(self, condition: Condition, depth: int) -> str:
        inside = self.write(condition, depth - 1)
        return f"((TraceId, ParentSpanId) IN ({self._within('parents_that', inside, _BEFORE_NS)}))"

    def _children(self, of: PlaceField, comparison: Comparison, value: Value) -> str:
        if of is not PlaceField.CHILDREN:
            raise WrongQueryError(f"{of} cannot be compared")
        if value is None or isinstance(value, str | bool):
            return _NEVER
        many = f"uniqExact(SpanId) {comparison.value} {self._names.number(value)}"
        if not _COMPARED[comparison](0, value):
            return f"((TraceId, SpanId) IN ({self._within('parents_of_many', many)}))"
        # Spans without children are nobody's parents.
        others = self._within("parents_of_many", f"NOT ({many})")
        return f"((TraceId, SpanId) NOT IN ({others}))"

    def _within(self, name: str, condition: str, before_ns: int = 0) -> str:
        if self._beyond is None:
            raise WrongQueryError("this can be asked of spans in a time range only")
        start = self._names.bind(self._beyond.start_ns - before_ns, "Int64")
        end = self._names.bind(self._beyond.end_ns, "Int64")
        text = named_sql(name).replace("/* start */", start).replace("/* end */", end)
        return text.replace("/* condition */", condition)

    def _in_content(self, key: str, comparison: Comparison, value: Value) -> str:
        mark = self._names.bind(key, "String")
        inside = self._valued("Attributes", "AttributeTypes", mark, comparison, value)
        return f"((TraceId, SpanId) IN ({self._within('content_spans', inside)}))"


def whole(pattern: str) -> str:
    """Return a pattern that only matches a whole text."""
    return f"^(?s:{pattern})$"


def _is(comparison: Comparison) -> str:
    if comparison is not Comparison.EQUAL:
        raise WrongQueryError("true and false are compared by = and != only")
    return comparison.value
