"""What usage is grouped and selected by: the names that people write, and their columns.

The labels of the selectors, and what only single spans have.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.errors import WrongQueryError
from exporter.query.grammar import wrong
from exporter.query.selectors import LABELS, matchers
from exporter.spans.condition import AllOf, ColumnField, Compare, Condition

_IDS = ("trace_id", "span_id")
DIMENSIONS: dict[str, str] = {
    **{name: column for name, column in LABELS.items() if name not in _IDS},
    "user_id": "UserId",
    "session_id": "SessionId",
    "request_model": "RequestModel",
    "response_model": "ResponseModel",
    "service_tier": "ServiceTier",
    "finish_reason": "FinishReason",
    "usage_source": "UsageSource",
    "cost_source": "CostSource",
    "unpriced_reason": "UnpricedReason",
    "price_id": "PriceId",
    "convention": "Convention",
}
# A row with more of them is nothing that a person reads.
DIMENSIONS_MAX = 6

_SELECTABLE = LABELS | DIMENSIONS


def columns(names: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of dimensions; raise WrongQueryError for one that does not exist."""
    wanted = tuple(names)
    if unknown := [name for name in wanted if name not in DIMENSIONS]:
        raise WrongQueryError(
            f"no such dimension: {unknown[0][:80]!r}; there are {', '.join(DIMENSIONS)}"
        )
    if len(set(wanted)) != len(wanted):
        raise WrongQueryError("a dimension is named twice")
    if len(wanted) > DIMENSIONS_MAX:
        raise WrongQueryError(f"at most {DIMENSIONS_MAX} dimensions at once")
    return tuple(DIMENSIONS[name] for name in wanted)


def selected(text: str) -> Condition:
    """Return the condition of a selector on any dimension; raise WrongQueryError."""
    conditions: list[Condition] = []
    for matcher in matchers(text):
        column = _SELECTABLE.get(matcher.label)
        if column is None:
            known = ", ".join(_SELECTABLE)
            raise wrong(f"unknown label {matcher.label}; known are {known}", text, matcher.position)
        conditions.append(Compare(ColumnField(column), matcher.comparison, matcher.value))
    return AllOf(tuple(conditions))
