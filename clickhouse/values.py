"""Fields as SQL: what a span says, as text with a kind, or as a number."""

from __future__ import annotations

from clickhouse.binding import Names
from clickhouse.columns import MAPS, column_sql, column_type
from exporter.errors import WrongQueryError
from exporter.spans.condition import AttributeField, ColumnField, Field, Scope

_KEYWORDS = {"StatusCode", "SpanKind"}


def text_sql(field: Field, names: Names) -> str:
    """Return what reads a field's value as Nullable(String): null where a span has none."""
    if isinstance(field, ColumnField):
        return _column_text(field.column)
    if isinstance(field, AttributeField):
        return _attribute(field, names)[0]
    raise WrongQueryError("this is said of whole traces, not of spans")


def kind_sql(field: Field, names: Names) -> str:
    """Return what reads the kind of a field's value: of an attribute as its `...Types` map has it.

    Empty: a string. For columns also `keyword`; times are `duration`, in nanoseconds.
    """
    if isinstance(field, ColumnField):
        return f"'{_column_kind(field.column)}'"
    if isinstance(field, AttributeField):
        return _attribute(field, names)[1]
    raise WrongQueryError("this is said of whole traces, not of spans")


def number_sql(field: Field, names: Names, *, seconds: bool = True) -> str:
    """Return what reads a field as Nullable(Float64): null where it is no number.

    Times are seconds, as in Tempo's metrics; else nanoseconds.
    """
    if isinstance(field, ColumnField):
        number = f"toFloat64({column_sql(field.column)})"
        in_seconds = seconds and _column_kind(field.column) == "duration"
        return f"({number} / 1e9)" if in_seconds else number
    if isinstance(field, AttributeField):
        text, kind = _attribute(field, names)
        return f"if({kind} IN ('int', 'double'), toFloat64OrNull({text}), NULL)"
    raise WrongQueryError("this is said of whole traces, not of spans")


def _column_text(name: str) -> str:
    column, type_ = column_sql(name), column_type(name)
    if type_.startswith("Array("):
        return f"nullIf(arrayElement({column}, 1), '')"
    if "String" in type_:
        return f"nullIf(toString({column}), '')"
    return f"toString({column})"


def _column_kind(name: str) -> str:
    type_ = column_type(name)
    if name in _KEYWORDS:
        return "keyword"
    if name in {"Duration", "TimeToFirstToken", "TimePerOutputToken"}:
        return "duration"
    if "Decimal" in type_:
        return "double"
    if "Int" in type_:
        return "int"
    return "bool" if "Bool" in type_ else ""


def _attribute(field: AttributeField, names: Names) -> tuple[str, str]:
    """Return what reads the text and the kind; of several events or links of the first."""
    key = names.bind(field.key, "String")
    if field.scope is Scope.ANY:
        (span, span_kinds), (resource, resource_kinds) = MAPS[Scope.SPAN], MAPS[Scope.RESOURCE]
        on_span = f"mapContains({span}, {key})"
        text = f"if({on_span}, {span}[{key}], {_member(resource, key)})"
        return text, f"if({on_span}, {span_kinds}[{key}], {resource_kinds}[{key}])"
    texts, kinds = MAPS[field.scope]
    if field.scope in {Scope.EVENT, Scope.LINK}:
        there = f"arrayFirstIndex(a -> mapContains(a, {key}), {texts})"
        return _member(f"{texts}[{there}]", key), f"{kinds}[{there}][{key}]"
    if (field.scope, field.key) == (Scope.RESOURCE, "service.name"):
        return "nullIf(toString(ServiceName), '')", "''"
    return _member(texts, key), f"{kinds}[{key}]"


def _member(texts: str, key: str) -> str:
    return f"if(mapContains({texts}, {key}), {texts}[{key}], NULL)"
