"""Label selectors, `{service_name="shop", model=~"gpt-.*"}`, as conditions on spans.

A label's value that is not known is the empty text: `{feature=""}` are the spans without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lark import Token

from exporter.query.grammar import read, unquote, wrong
from exporter.spans.condition import AllOf, ColumnField, Compare, Comparison, Condition

LABELS: dict[str, str] = {
    "service_name": "ServiceName",
    "provider": "Provider",
    "model": "Model",
    "operation": "Operation",
    "status": "Status",
    "outcome": "Outcome",
    "error_type": "ErrorType",
    "feature": "Feature",
    "endpoint": "Endpoint",
    "tenant": "Tenant",
    "environment": "Environment",
    "release": "Release",
    "agent": "Agent",
    "tool": "Tool",
    "prompt_version": "PromptVersion",
    "trace_id": "TraceId",
    "span_id": "SpanId",
    "span_name": "SpanName",
}
"""Every label that spans are selected by, with its column."""

_NAMES = {
    "NAME": "a label",
    "TEXT": "quoted text",
    "OPERATOR": "= or != or =~ or !~",
}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison of a label, and where it stands in the selector."""

    label: str
    comparison: Comparison
    value: str
    position: int


def matchers(text: str) -> tuple[Matcher, ...]:
    """Return what a selector says, of known labels or not; raise WrongQueryError.

    The empty text says the same as `{}`: nothing.
    """
    if not text.strip():
        return ()
    found: list[Matcher] = []
    for each in read(text, "selectors.lark", _NAMES).find_data("matcher"):
        label, operator, value = (child for child in each.children if isinstance(child, Token))
        name = str(label) if label.type == "NAME" else unquote(label, text)
        comparison = Comparison(str(operator))
        found.append(Matcher(name, comparison, unquote(value, text), label.start_pos or 0))
    # The tree is walked from its end.
    return tuple(sorted(found, key=lambda matcher: matcher.position))


def condition_of(found: Iterable[Matcher], text: str = "") -> Condition:
    """Return the condition that all matchers hold; raise WrongQueryError for an unknown label.

    `text` is the selector, for the message.
    """
    conditions: list[Condition] = []
    for matcher in found:
        column = LABELS.get(matcher.label)
        if column is None:
            problem = f"unknown label {matcher.label}; known are {', '.join(LABELS)}"
            raise wrong(problem, text, matcher.position)
        conditions.append(Compare(ColumnField(column), matcher.comparison, matcher.value))
    return AllOf(tuple(conditions))


def selected(text: str) -> Condition:
    """Return the condition of a selector; raise WrongQueryError that shows the place."""
    return condition_of(matchers(text), text)
