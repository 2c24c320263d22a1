"""Usage of calls: added up from the spans, or from the tables by minute and hour.

Both give the same sums to the nano-dollar. Percentiles are t-digests in both; those of the time to
the first token come as buckets from the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clickhouse.conditions import where
from clickhouse.reads.pages import Key, behind, marked
from clickhouse.reads.session import Session, named_sql
from exporter.spans.condition import (
    EVERY_SPAN,
    AllOf,
    AnyOf,
    AttributeField,
    ColumnField,
    Compare,
    Condition,
    Not,
)
from exporter.spans.schema import NANOSECONDS, TOKEN_KINDS

_MINUTE_NS = 60 * NANOSECONDS
_HOUR_NS = 60 * _MINUTE_NS

ROLLUP_COLUMNS: frozenset[str] = frozenset(
    {
        "Environment",
        "ServiceName",
        "Provider",
        "Model",
        "Operation",
        "Status",
        "ErrorType",
        "Feature",
        "Tenant",
        "Release",
        "Agent",
    }
)
"""What the tables by minute and hour are grouped by."""


class Source(StrEnum):
    """The table that figures were added up from."""

    SPANS = "otel_traces"
    MINUTES = "llm_usage_1m"
    HOURS = "llm_usage_1h"


class Figures(StrEnum):
    """Which figures are asked for; the store does not reckon the others."""

    ALL = "*"
    SUMS = "* EXCEPT (DurationQuantiles, TimeToFirstTokenQuantiles, TimeToFirstTokenBuckets)"
    TIMES = "DurationQuantiles, TimeToFirstTokenQuantiles, TimeToFirstTokenBuckets"


_TOKENS = " + ".join(
    [*(kind.column for kind in TOKEN_KINDS), "EstimatedTokensInput", "EstimatedTokensOutput"]
)
ORDERS: dict[str, str] = {
    "cost": "(CostUsd + EstimatedCostUsd) * 1000000000",
    "requests": "Requests",
    "errors": "Errors",
    "tokens": _TOKENS,
    "duration": "DurationNs",
}
"""What rows can be ordered by, the largest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAsked:
    """Which usage: that of calls which began in a time and meet a condition."""

    start_ns: int
    end_ns: int
    condition: Condition = EVERY_SPAN
    by: tuple[str, ...] = ()
    """Columns that it is grouped by."""
    step_s: int = 0
    """Length of the steps of time that it is grouped by, seconds since 1970; 0: none."""
    order: str = "cost"
    """Of `ORDERS`. With a step, the time comes first."""
    figures: Figures = Figures.ALL
    limit: int
    after: Key | None = None
    """The order's value (with a step: the time), then the columns' values, of the row before."""


def source_for(asked: UsageAsked) -> Source:
    """Return the smallest table that can answer exactly."""
    used = _columns_of(asked.condition)
    if used is None or not used | set(asked.by) <= ROLLUP_COLUMNS:
        return Source.SPANS
    step_ns = asked.step_s * NANOSECONDS
    ends = (asked.start_ns, asked.end_ns, step_ns)
    if not any(end % _HOUR_NS for end in ends):
        return Source.HOURS
    return Source.SPANS if any(end % _MINUTE_NS for end in ends) else Source.MINUTES


def usage(session: Session, asked: UsageAsked, source: Source) -> list[dict[str, Any]]:
    """Return rows of TimeS, the columns of `by`, the figures and OrderValue; of times only these.

    Without a row there was no call.
    """
    spans = source is Source.SPANS
    clock = "Timestamp" if spans else "Time"
    time = f"intDiv(toInt64(toUnixTimestamp({clock})), {{step_s:Int64}}) * {{step_s:Int64}}"
    clause = where(asked.condition)
    first = "TimeS" if asked.step_s else "OrderValue"
    after, after_values = behind(asked.after, first, asked.by, descending=not asked.step_s)
    by = ", ".join(asked.by)
    sql = marked(
        named_sql("usage_from_spans" if spans else "usage_from_rollups"),
        figures=asked.figures.value,
        table=source.value,
        time=time if asked.step_s else "toInt64(0)",
        keys=f"{by}," if by else "",
        groups=f"TimeS, {by}" if by else "TimeS",
        order=ORDERS[asked.order],
        condition=clause.sql,
        after=after,
        direction=", ".join((first if asked.step_s else "OrderValue DESC", *asked.by)),
    )
    parameters = {
        "start_ns": asked.start_ns,
        "end_ns": asked.end_ns,
        "step_s": asked.step_s,
        "limit": asked.limit,
        **clause.parameters,
        **after_values,
    }
    return session.table(sql, parameters).to_pylist()


def _columns_of(condition: Condition) -> set[str] | None:
    """Return the columns that a condition is on, None when it is on attributes too."""
    match condition:
        case Compare(ColumnField(column)):
            return {column}
        case Compare(AttributeField()):
            return None
        case Not(inner):
            return _columns_of(inner)
        case AllOf(several) | AnyOf(several):
            return _union([_columns_of(each) for each in several])
        case _:
            return None


def _union(found: Sequence[set[str] | None]) -> set[str] | None:
    known = [each for each in found if each is not None]
    return set[str]().union(*known) if len(known) == len(found) else None
