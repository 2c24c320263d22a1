"""Fields that are computed with, or compared with each other, as SQL.

Numbers are doubles, times are nanoseconds. What is not known is NULL, and so is what is computed of
it, divided by zero or no finite number; whatever is compared with it, the clause does not hold.
"""

from __future__ import annotations

from clickhouse.binding import Names
from clickhouse.columns import column_type
from clickhouse.values import kind_sql, number_sql, text_sql
from exporter.spans.condition import (
    AttributeField,
    Calculated,
    ColumnField,
    CompareTerms,
    Operation,
    Term,
)

_SQL = {
    Operation.ADD: "({} + {})",
    Operation.SUBTRACT: "({} - {})",
    Operation.MULTIPLY: "({} * {})",
    Operation.DIVIDE: "({} / nullIf({}, 0))",
    Operation.REMAINDER: "({} % nullIf({}, 0))",
    # Zero to a negative power is a division by zero. Said so, the number is written once.
    Operation.POWER: "arrayMap(x -> if(isFinite(x), x, NULL), [pow({}, {})])[1]",
}
_NOT_KNOWN = "CAST(NULL, 'Nullable(Float64)')"


def terms_clause(asked: CompareTerms, names: Names) -> str:
    """Return a clause, never NULL: numbers are compared with numbers, texts with texts."""
    left, right = _number(asked.left, names), _number(asked.right, names)
    sign = asked.comparison.value
    compared = f"ifNull({_finite(left)} {sign} {_finite(right)}, 0)"
    match asked.left, asked.right:
        case (ColumnField() | AttributeField()) as one, (ColumnField() | AttributeField()) as other:
            # What is no number is text or a truth, as text.
            texts = text_sql(one, names), text_sql(other, names)
            kinds = kind_sql(one, names), kind_sql(other, names)
        case _:
            return f"({compared})"
    same = f"({kinds[0]} = 'bool') = ({kinds[1]} = 'bool')"
    said = f"{same} AND ifNull({texts[0]} {sign} {texts[1]}, 0)"
    return f"({compared} OR (isNull({left}) AND isNull({right}) AND {said}))"


def _number(term: Term, names: Names) -> str:
    """Return what reads a term as Nullable(Float64)."""
    match term:
        case Calculated(operation, left, right):
            return _SQL[operation].format(_number(left, names), _number(right, names))
        case ColumnField(column):
            if "String" in column_type(column):
                return _NOT_KNOWN
            return number_sql(term, names, seconds=False)
        case AttributeField():
            return number_sql(term, names, seconds=False)
        case int() | float():
            return f"toFloat64({names.bind(float(term), 'Float64')})"


def _finite(number: str) -> str:
    return f"if(isFinite({number}), {number}, NULL)"
