"""What a query can be made of: attribute keys and values of recent spans."""

from __future__ import annotations

from collections.abc import Callable

from clickhouse.conditions import Beyond
from clickhouse.reads import tags as reads
from clickhouse.reads.session import ReadPool
from exporter.cancellation import Cancellation
from exporter.query.search import ValuesSearch
from exporter.query.traceql.ast import Filter
from exporter.query.traceql.evaluate import Shown
from exporter.query.traceql.fields import KEYWORDS, NUMERIC
from exporter.spans.condition import (
    EVERY_SPAN,
    AllOf,
    ColumnField,
    Compare,
    Comparison,
    Condition,
    Field,
    PlaceField,
    Scope,
    TraceField,
)

_IS_ROOT = Compare(ColumnField("ParentSpanId"), Comparison.EQUAL, None)
_OF_ROOT: dict[Field, ColumnField] = {
    TraceField.ROOT_NAME: ColumnField("SpanName"),
    TraceField.ROOT_SERVICE: ColumnField("ServiceName"),
}
# Hardly two spans have the same; nobody picks one from a list.
_WITHOUT_VALUES: set[Field] = {
    TraceField.DURATION,
    *PlaceField,
    *(ColumnField(column) for column in NUMERIC),
    *(ColumnField(column) for column in ("SpanId", "ParentSpanId", "TraceId")),
    *(ColumnField(column) for column in ("Links.SpanId", "Links.TraceId")),
}


class TagQuestions:
    """Lists keys and values of what is stored."""

    def __init__(self, pool: ReadPool, is_content: Callable[[str], bool]) -> None:
        self._pool = pool
        self._is_content = is_content

    def keys(
        self, start_ns: int, end_ns: int, cancellation: Cancellation
    ) -> dict[Scope, list[str]]:
        """Return the attribute keys of recent spans, by scope."""
        with self._pool.session(cancellation) as session:
            return reads.keys(session, start_ns, end_ns)

    def values(self, asked: ValuesSearch, cancellation: Cancellation) -> list[Shown]:
        """Return the values of a field, the most frequent first."""
        field = asked.field.field
        if isinstance(field, ColumnField) and field.column in KEYWORDS:
            return [(word, "keyword") for word in KEYWORDS[field.column]]
        if field in _WITHOUT_VALUES:
            return []
        spans = asked.query.spans
        condition: Condition = spans.condition if isinstance(spans, Filter) else EVERY_SPAN
        if field in _OF_ROOT:
            field, condition = _OF_ROOT[field], AllOf((condition, _IS_ROOT))
        beyond = Beyond(self._is_content, asked.start_ns, asked.end_ns)
        with self._pool.session(cancellation) as session:
            found = reads.values(session, field, condition, beyond, asked.limit)
        return [(text, kind) for text, kind in found]
