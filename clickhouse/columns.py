"""How what a span has is read in SQL: its columns, those derived from them, its attributes."""

from __future__ import annotations

from exporter.errors import WrongQueryError
from exporter.spans.condition import Scope
from exporter.spans.schema import DERIVED_COLUMNS, SPAN_COLUMNS, TOKEN_KINDS

_TYPES = {column.name: column.clickhouse for column in (*SPAN_COLUMNS, *DERIVED_COLUMNS)}
_TOKENS = [kind.column for kind in TOKEN_KINDS]
_DERIVED = {
    "TokensTotal": f"if(coalesce({', '.join(_TOKENS)}) IS NULL, NULL, "
    + " + ".join(f"ifNull({column}, 0)" for column in _TOKENS)
    + ")"
}
MAPS = {
    Scope.SPAN: ("SpanAttributes", "SpanAttributeTypes"),
    Scope.RESOURCE: ("ResourceAttributes", "ResourceAttributeTypes"),
    Scope.INSTRUMENTATION: ("ScopeAttributes", "ScopeAttributeTypes"),
    Scope.EVENT: ("`Events.Attributes`", "`Events.AttributeTypes`"),
    Scope.LINK: ("`Links.Attributes`", "`Links.AttributeTypes`"),
}
"""The maps of attributes and of their types."""


def column_type(name: str) -> str:
    """Return the ClickHouse type of a column; raise WrongQueryError when there is none."""
    if name not in _TYPES:
        raise WrongQueryError(f"the store has no column {name}")
    return _TYPES[name]


def column_sql(name: str) -> str:
    """Return what reads a declared column, or one that is derived from others."""
    return f"({_DERIVED[name]})" if name in _DERIVED else f"`{name}`"
