"""How columns of the spans' table are read, and how values are bound to a question."""

from __future__ import annotations

from dataclasses import dataclass, field

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
"""The texts and the kinds of attributes."""


@dataclass(slots=True)
class Names:
    """Binds values to parameters whose names start with a prefix and occur once."""

    prefix: str = "c"
    values: dict[str, object] = field(default_factory=dict[str, object])

    def bind(self, value: object, type_: str) -> str:
        """Return the mark that stands for a value in the text."""
        name = f"{self.prefix}{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{type_}}}"


def column_type(name: str) -> str:
    """Return the ClickHouse type of a column; raise WrongQueryError when there is none."""
    if name not in _TYPES:
        raise WrongQueryError(f"the store has no column {name}")
    return _TYPES[name]


def column_sql(name: str) -> str:
    """Return what reads a declared column, or one that is derived from others."""
    return f"({_DERIVED[name]})" if name in _DERIVED else f"`{name}`"
