"""Sums of what spans count, by labels and steps of time, and the values that labels have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clickhouse.conditions import where
from clickhouse.reads.flame import Counted, Counting
from clickhouse.reads.session import Session, named_sql
from exporter.errors import WrongQueryError
from exporter.spans.condition import AllOf, AnyOf, ColumnField, Compare, Condition, Not
from exporter.spans.schema import COST_COLUMNS, NANOSECONDS, SPAN_COLUMNS

MINUTE_NS = 60 * NANOSECONDS
# One step for all the time that the store knows.
_EVER_NS = 2**63 - 1

# The columns by which the usage by minute is kept.
_MINUTE_COLUMNS = frozenset(
    {
        *("Environment", "ServiceName", "Provider", "Model", "Operation", "Status", "ErrorType"),
        *("Feature", "Tenant", "Release", "Agent"),
    }
)
# What is estimated is kept apart there.
_ESTIMATED = frozenset({"TokensInput", "TokensOutput", "CostUsd"})
# The parts of a cost are there without what was estimated.
_NOT_WHOLE = frozenset(COST_COLUMNS.values())
_TYPES = {column.name: column.clickhouse for column in SPAN_COLUMNS}


@dataclass(frozen=True, slots=True, kw_only=True)
class SumsWanted:
    """What is added up, of which spans, and by what."""

    start_ns: int
    end_ns: int
    condition: Condition
    counted: tuple[Counted, ...]
    """Each is a column of the answer: Sum0, Sum1 ..."""
    columns: tuple[str, ...] = ()
    step_ns: int | None = None
    """Also by steps, which begin at whole multiples of this; None: not."""
    rows_max: int


@dataclass(frozen=True, slots=True)
class SpanThatCounts:
    """A span, when it began, and what it counts."""

    start_ms: int
    trace_id: str
    span_id: str
    value: int


def sums(session: Session, wanted: SumsWanted) -> pa.Table:
    """Return Step (number of the step), the columns, Sum0 ... and Spans (that count something).

    Raise WrongQueryError when there are more groups than `rows_max`.
    """
    values = [(each.sql, each.total_sql) for each in wanted.counted]
    return _asked(session, wanted, "profile_sums", values)


def minute_sums(session: Session, wanted: SumsWanted) -> pa.Table:
    """Return the same from the usage by minute; see `has_minutes`. The time is of whole minutes."""
    values = [(value, f"sum({value})") for value in map(_minute_sum, wanted.counted)]
    return _asked(session, wanted, "profile_minute_sums", values)


def exemplars(session: Session, wanted: SumsWanted) -> dict[tuple[object, ...], SpanThatCounts]:
    """Return, by step and columns, the span that counts most by the first of `counted`."""
    value = wanted.counted[0].sql
    sql, parameters = _question(wanted, "profile_exemplars", [(value, "")])
    found: dict[tuple[object, ...], SpanThatCounts] = {}
    for *group, (start_ms, trace_id, span_id), value in session.rows(sql, parameters):
        found[tuple(group)] = SpanThatCounts(start_ms, trace_id, span_id, value)
    return found


def has_minutes(wanted: SumsWanted) -> bool:
    """Whether the usage by minute can answer, but for the range's ends and its age."""
    columns = {*wanted.columns, *_columns(wanted.condition)}
    by_minute = wanted.step_ns is None or wanted.step_ns % MINUTE_NS == 0
    counted = all(each.counting in {Counting.USAGE, Counting.CALLS} for each in wanted.counted)
    whole = all(_NOT_WHOLE.isdisjoint(each.columns) for each in wanted.counted)
    return by_minute and counted and whole and columns <= _MINUTE_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsWanted:
    """Which spans' labels."""

    start_ns: int
    end_ns: int
    condition: Condition
    columns: tuple[str, ...]
    rows_max: int


def label_sets(session: Session, wanted: LabelsWanted) -> list[tuple[str, ...]]:
    """Return the distinct combinations of columns, the most frequent first, at most `rows_max`."""
    found = where(wanted.condition)
    names = ", ".join(_name(column) for column in wanted.columns)
    sql = named_sql("label_sets").replace("/* columns */", names)
    rows = session.rows(
        sql.replace("/* condition */", found.sql),
        {
            **found.parameters,
            "start_ns": wanted.start_ns,
            "end_ns": wanted.end_ns,
            "limit": wanted.rows_max,
        },
    )
    return [tuple(row) for row in rows]


def labels_used(session: Session, wanted: LabelsWanted) -> tuple[str, ...]:
    """Return those of the columns that some span has a word in."""
    found = where(wanted.condition)
    used = ", ".join(f"max({_name(column)} != '')" for column in wanted.columns)
    sql = named_sql("labels_used").replace("/* columns */", used)
    rows = session.rows(
        sql.replace("/* condition */", found.sql),
        {**found.parameters, "start_ns": wanted.start_ns, "end_ns": wanted.end_ns, "limit": 1},
    )
    return tuple(c for c, is_used in zip(wanted.columns, rows[0], strict=True) if is_used)


def stored_time(session: Session) -> tuple[int, int] | None:
    """Return when the first and the last stored trace began, None: nothing is stored."""
    rows = session.rows(named_sql("stored_time"), {"limit": 1})
    return (rows[0][0] * NANOSECONDS, rows[0][1] * NANOSECONDS) if rows else None


def _asked(
    session: Session, wanted: SumsWanted, name: str, values: Sequence[tuple[str, str]]
) -> pa.Table:
    table = session.table(*_question(wanted, name, values))
    if table.num_rows > wanted.rows_max:
        raise WrongQueryError(
            f"more than {wanted.rows_max} groups: choose a shorter time or fewer labels"
        )
    return table


def _question(
    wanted: SumsWanted, name: str, values: Sequence[tuple[str, str]]
) -> tuple[str, dict[str, object]]:
    found = where(wanted.condition)
    marks = {
        "/* groups */": "".join(f"{_name(column)}, " for column in wanted.columns),
        "/* sums */": ", ".join(f"{total} AS Sum{n}" for n, (_, total) in enumerate(values)),
        "/* any */": " OR ".join(f"{value} != 0" for value, _ in values),
        "/* value */": values[0][0],
        "/* condition */": found.sql,
    }
    sql = named_sql(name)
    for mark, text in marks.items():
        sql = sql.replace(mark, text)
    return sql, {
        **found.parameters,
        "start_ns": wanted.start_ns,
        "end_ns": wanted.end_ns,
        "step_ns": wanted.step_ns or _EVER_NS,
        "limit": wanted.rows_max + 1,
    }


def _minute_sum(counted: Counted) -> str:
    if counted.counting is Counting.CALLS:
        return "toInt64(Requests)"
    names = [
        name
        for column in counted.columns
        for name in ((column, f"Estimated{column}") if column in _ESTIMATED else (column,))
    ]
    factor = " * 1000000000" if "Decimal" in _TYPES[counted.columns[0]] else ""
    return " + ".join(f"toInt64({name}{factor})" for name in names)


def _columns(condition: Condition) -> Iterator[str]:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _columns(part)
        case Not(inner):
            yield from _columns(inner)
        case Compare(field):
            yield field.column if isinstance(field, ColumnField) else "SpanAttributes"
        case _:
            yield "SpanAttributes"


def _name(column: str) -> str:
    assert column in _TYPES, column  # noqa: S101 - a name of ours, and it becomes part of the SQL
    return f"`{column}`"
