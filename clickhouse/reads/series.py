"""Numbers over time: what is computed of the spans of each step, by labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clickhouse.binding import Names
from clickhouse.conditions import Beyond, clause
from clickhouse.reads.session import Session, named_sql
from clickhouse.values import kind_sql, number_sql, text_sql
from exporter.errors import WrongQueryError
from exporter.spans.condition import ColumnField, Condition, Field
from exporter.spans.schema import TOKEN_KINDS

_USAGE = {"CostUsd", "TokensTotal", *(kind.column for kind in TOKEN_KINDS)}
ROWS_MAX = 200_000
"""Points of all series of an answer."""


class Computed(StrEnum):
    """What is computed of the numbers of a step."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    QUANTILES = "quantiles"
    BUCKETS = "buckets"
    """Their count by powers of two: a group of its own, the upper bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A time cut into steps, all nanoseconds; the last may be shorter."""

    start_ns: int
    end_ns: int
    step_ns: int

    @property
    def count(self) -> int:
        """How many there are."""
        return -(-(self.end_ns - self.start_ns) // self.step_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of the spans that meet a condition."""

    condition: Condition
    beyond: Beyond
    computed: Computed
    of: Field | None = None
    quantiles: tuple[float, ...] = ()
    by: tuple[Field, ...] = ()
    exemplars: bool = False
    once: bool = False
    """Whether spans may be stored twice, and each has to be taken once."""

    @property
    def of_usage(self) -> bool:
        """Whether usage is computed with: what repeats that of another span is left out."""
        return isinstance(self.of, ColumnField) and self.of.column in _USAGE


@dataclass(frozen=True, slots=True)
class Point:
    """One step of one series. `labels`: text (None: absent) and kind of each group."""

    step: int
    labels: tuple[tuple[str | None, str], ...]
    bucket: float | None
    values: tuple[float, ...]
    exemplar: tuple[str, str, int, float] | None
    """Trace id, span id, time in nanoseconds and value."""


def points(session: Session, asked: Asked, steps: Steps) -> list[Point]:
    """Return the steps that have something; raise WrongQueryError where there are too many."""
    names = Names()
    number = number_sql(asked.of, names) if asked.of is not None else ""
    groups = "".join(
        f"{text_sql(each, names)} AS Text{at}, {kind_sql(each, names)} AS Kind{at}, "
        for at, each in enumerate(asked.by)
    )
    if asked.computed is Computed.BUCKETS:
        groups += f"if({number} > 0, pow(2, ceil(log2({number}))), 0) AS Bucket, "
    condition = clause(asked.condition, names, asked.beyond)
    if number:
        condition = f"({condition} AND isFinite({number}))"
    if asked.of_usage:
        condition = f"(UsageRole != 'duplicate' AND {condition})"
    rows = session.rows(
        named_sql("metrics_range")
        .replace("/* groups */", groups)
        .replace("/* measure */", _measure(asked, number, names))
        .replace("/* exemplar */", _exemplar(asked, number))
        .replace("/* spans */", spans_sql(condition, once=asked.once)),
        names.values
        | {
            "start_ns": steps.start_ns,
            "end_ns": steps.end_ns,
            "step_ns": steps.step_ns,
            "limit": ROWS_MAX + 1,
        },
    )
    if len(rows) > ROWS_MAX:
        raise WrongQueryError(
            f"the answer has more than {ROWS_MAX} points: ask for longer steps or fewer labels"
        )
    return [_point(row, asked) for row in rows]


def spans_sql(condition: str, *, once: bool) -> str:
    """Return the question for the spans of a time; `once`: each span once."""
    return named_sql("spans_once" if once else "spans_in_time").replace(
        "/* condition */", condition
    )


def _measure(asked: Asked, number: str, names: Names) -> str:
    match asked.computed:
        case Computed.COUNT | Computed.BUCKETS:
            return "[toFloat64(count())]"
        case Computed.QUANTILES:
            levels = ", ".join(
                f"quantileExactInclusive({names.bind(level, 'Float64')})({number})"
                for level in asked.quantiles
            )
            return f"[{levels}]"
        case _:
            return f"[ifNull({asked.computed.value}({number}), 0)]"


def _exemplar(asked: Asked, number: str) -> str:
    if not asked.exemplars:
        return "NULL"
    value = f"ifNull({number}, 0)" if number else "toFloat64(1)"
    at = "toUnixTimestamp64Nano(Timestamp)"
    return f"argMax((TraceId, SpanId, {at}, {value}), Duration)"


def _point(row: Sequence[Any], asked: Asked) -> Point:
    step, *rest = row
    labels = tuple((rest[2 * at], str(rest[2 * at + 1])) for at in range(len(asked.by)))
    *bucket, values, exemplar = rest[2 * len(asked.by) :]
    return Point(
        int(step),
        labels,
        float(bucket[0]) if bucket else None,
        tuple(float(value) for value in values),
        None if exemplar is None else tuple(exemplar),
    )
