"""Read what follows the spans of a TraceQL query: stages, metrics and hints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lark import Token, Tree

from exporter.query.grammar import wrong
from exporter.query.traceql.ast import (
    By,
    Coalesce,
    Contrast,
    Filter,
    Function,
    Measure,
    Metrics,
    Named,
    Query,
    Select,
    Spans,
    Stage,
    Threshold,
)
from exporter.query.traceql.comparisons import Comparisons
from exporter.query.traceql.fields import NUMERIC, is_of_span
from exporter.query.traceql.literals import Literal
from exporter.spans.condition import (
    AllOf,
    AttributeField,
    ColumnField,
    Compare,
    Comparison,
)

STAGES_MAX = 10
"""Stages of one query."""
BY_MAX = 5
"""Fields that a metrics query groups by, as in Tempo."""

TOP = 10
"""Values of each attribute that `compare` shows if it does not say how many, as in Tempo."""
TOP_MAX = 100
_COMPARE = "compare"
_TIME_MAX = 2**63

_MEASURES = {measure.value: measure for measure in Measure}
_FUNCTIONS = {function.value: function for function in Function}
_OTHER = ("select", "by", "coalesce")
_WITHOUT_FIELD = {Measure.RATE, Measure.COUNT}
_SIGNS = {"=", "!=", "<", "<=", ">", ">="}


class Stages:
    """Reads stages of one text."""

    def __init__(
        self, text: str, comparisons: Comparisons, spans: Callable[[Tree[Token]], Spans]
    ) -> None:
        self._text = text
        self._comparisons = comparisons
        self._spans = spans

    def add(self, query: Query, tree: Tree[Token]) -> Query:
        """Return the query with one more stage, or with its hints."""
        if tree.data == "call":
            return self._hinted(query, tree)
        word = tree.children[0]
        assert isinstance(word, Token)  # noqa: S101 - the grammar says so
        position = word.start_pos or 0
        if query.metrics is not None:
            raise self._wrong("nothing can follow the metrics of a query", position)
        if len(query.stages) == STAGES_MAX:
            raise self._wrong(f"more than {STAGES_MAX} stages", position)
        for each in _calls(tree):
            if str(each.children[0]) != "by":
                query = self._hinted(query, each)
        if measure := _MEASURES.get(word):
            return replace(query, metrics=self._metrics(query, measure, tree, position))
        if word == _COMPARE:
            return replace(query, metrics=self._contrast(query, tree, position))
        return replace(query, stages=(*query.stages, self._stage(str(word), tree, position)))

    def _stage(self, word: str, tree: Tree[Token], position: int) -> Stage:
        arguments, by, threshold = _parts(tree)
        if by is not None:
            raise self._wrong(f"write | by(...) as a stage of its own after {word}", position)
        if word in _FUNCTIONS:
            return self._threshold(_FUNCTIONS[word], arguments, threshold, position)
        if threshold is not None:
            raise self._wrong(f"{word}() is not compared with anything", position)
        match word:
            case "select" if arguments:
                return Select(tuple(self._comparisons.field(each) for each in arguments))
            case "by" if len(arguments) == 1:
                return By(self._of_span(self._comparisons.field(arguments[0]), position))
            case "coalesce" if not arguments:
                return Coalesce()
            case "select" | "by" | "coalesce":
                number = {"select": "fields", "by": "one field", "coalesce": "nothing"}[word]
                raise self._wrong(f"{word}() takes {number}", position)
            case _:
                known = ", ".join((*_OTHER, *_FUNCTIONS, *_MEASURES, _COMPARE))
                raise self._wrong(f"{word} is not served; served are {known}", position)

    def _threshold(
        self, function: Function, arguments: list[Any], threshold: Any, position: int
    ) -> Threshold:
        wanted = 0 if function is Function.COUNT else 1
        if len(arguments) != wanted:
            raise self._wrong(
                f"{function}() takes {'one field' if wanted else 'nothing'}", position
            )
        if threshold is None:
            raise self._wrong(f"{function}() has to be compared, as in {function}() > 2", position)
        of = self._comparisons.field(arguments[0]) if wanted else None
        if of is not None:
            self._numeric(of, position)
        sign = str(threshold.children[0].children[0])
        value = self._comparisons.operand(threshold.children[1])
        if sign not in _SIGNS:
            raise self._wrong("a number is compared by = != < <= > >=", position)
        number = value.value if isinstance(value, Literal) else None
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise self._wrong("a number or a duration is expected", threshold.meta.start_pos)
        return Threshold(function, of, Comparison(sign), number)

    def _alone(self, query: Query, threshold: Any, position: int) -> None:
        if query.stages or not isinstance(query.spans, Filter):
            raise self._wrong("metrics are served of one { } without other stages", position)
        if threshold is not None:
            raise self._wrong("metrics are not compared with anything yet", position)

    def _contrast(self, query: Query, tree: Tree[Token], position: int) -> Contrast:
        """Read `compare({selection}, top, start, end)`; the times are Unix nanoseconds."""
        arguments, by, threshold = _parts(tree)
        self._alone(query, threshold, position)
        if by is not None:
            raise self._wrong("compare() has no by(...): it compares every attribute", position)
        if len(arguments) not in {1, 2, 4} or arguments[0].data != "alternatives":
            raise self._wrong(
                "compare() takes { ... }, a number of values, and from when to when", position
            )
        selection = self._spans(arguments[0])
        if not isinstance(selection, Filter):
            raise self._wrong("compare() takes one { }", position)
        top, *times = [self._whole(each, position) for each in arguments[1:]] or [TOP]
        if not 0 < top <= TOP_MAX:
            raise self._wrong(f"compare() shows 1 to {TOP_MAX} values", position)
        if not times or times == [0, 0]:
            return Contrast(selection.condition, top)
        start_ns, end_ns = times
        if not 0 < start_ns < end_ns < _TIME_MAX:
            raise self._wrong("compare() takes a start before an end, in nanoseconds", position)
        at = ColumnField("Timestamp")
        since = Compare(at, Comparison.GREATER_OR_EQUAL, start_ns)
        until = Compare(at, Comparison.LESS, end_ns)
        return Contrast(AllOf((selection.condition, since, until)), top)

    def _whole(self, tree: Any, position: int) -> int:
        found = None if tree.data == "alternatives" else self._comparisons.operand(tree)
        value = found.value if isinstance(found, Literal) and found.kind == "number" else None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong("compare() takes whole numbers after its { }", position)
        return value

    def _metrics(self, query: Query, measure: Measure, tree: Tree[Token], position: int) -> Metrics:
        arguments, by, threshold = _parts(tree)
        self._alone(query, threshold, position)
        of: Named | None = None
        if measure in _WITHOUT_FIELD:
            if arguments:
                raise self._wrong(f"{measure}() takes nothing", position)
        else:
            if not arguments:
                raise self._wrong(f"{measure}() takes a field", position)
            of = self._comparisons.field(arguments.pop(0))
            self._numeric(of, position)
        quantiles = tuple(self._quantile(each, position) for each in arguments)
        if bool(quantiles) != (measure is Measure.QUANTILE):
            raise self._wrong("quantile_over_time(field, 0.5, ...) takes quantiles", position)
        return Metrics(measure, of, quantiles, self._by(by, position))

    def _by(self, by: Any, position: int) -> tuple[Named, ...]:
        if by is None:
            return ()
        fields = tuple(self._comparisons.field(each) for each in by.children[1:] if each)
        if not 0 < len(fields) <= BY_MAX:
            raise self._wrong(f"by() takes 1 to {BY_MAX} fields", position)
        return tuple(self._of_span(each, position) for each in fields)

    def _of_span(self, named: Named, position: int) -> Named:
        if not is_of_span(named):
            raise self._wrong(
                f"by({named.name}) is not served: a span alone does not say it", position
            )
        return named

    def _quantile(self, tree: Any, position: int) -> float:
        found = self._comparisons.operand(tree)
        value = found.value if isinstance(found, Literal) and found.kind == "number" else None
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self._wrong("a quantile is a number from 0 to 1", position)
        return float(value)

    def _numeric(self, of: Named, position: int) -> None:
        numeric = isinstance(of.field, AttributeField) or (
            isinstance(of.field, ColumnField) and of.field.column in NUMERIC
        )
        if not numeric:
            raise self._wrong(f"{of.name} is no number", position)

    def _hinted(self, query: Query, tree: Tree[Token]) -> Query:
        word, *hints = tree.children
        position = tree.meta.start_pos
        if word != "with":
            raise self._wrong(f"{word} stands where with(...) or a stage is expected", position)
        found = dict(query.hints)
        for each in hints:
            if not isinstance(each, Tree) or each.data != "hint":
                raise self._wrong("with() takes hints such as most_recent=true", position)
            name, value = each.children
            found[str(name)] = str(value.children[0] if isinstance(value, Tree) else value)
        return replace(query, hints=found)

    def _wrong(self, problem: str, position: int) -> Exception:
        return wrong(problem, self._text, position)


def _parts(tree: Tree[Token]) -> tuple[list[Any], Any, Any]:
    """Return the arguments of a stage, its `by` and its threshold, None where there is none."""
    trees = [each for each in tree.children[1:] if isinstance(each, Tree)]
    by = next((each for each in _calls(tree) if str(each.children[0]) == "by"), None)
    threshold = next((each for each in trees if each.data == "threshold"), None)
    return [each for each in trees if each.data not in {"call", "threshold"}], by, threshold


def _calls(tree: Tree[Token]) -> list[Tree[Token]]:
    return [each for each in tree.children if isinstance(each, Tree) and each.data == "call"]
