"""The spans of a flame graph as columns: keys instead of ids, codes instead of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from clickhouse.conditions import where
from clickhouse.reads.session import Session, named_sql
from exporter.errors import WrongQueryError
from exporter.spans.condition import EVERY_SPAN, Condition
from exporter.spans.schema import NANOSECONDS, SPAN_COLUMNS

# A trace whose root began before the time that is asked for keeps its root, if it did so within
# this: agents that run for longer are drawn below "(parent missing)".
_BEFORE_NS = 15 * 60 * NANOSECONDS
# What does the work, apart from calls. Agents, chains and plain spans fail because something below
# them did, and one failure must not count several times.
_WORKING_CLASSES = ("tool", "retriever", "guardrail", "evaluator", "memory")

_OWN = "UsageRole = 'own'"
_TYPES = {column.name: column.clickhouse for column in SPAN_COLUMNS}


class Counting(StrEnum):
    """Which spans count, and what."""

    USAGE = "usage"
    """Calls that own their usage: the sum of columns of tokens or money (nano-dollars)."""
    CALLS = "calls"
    """The same calls: 1."""
    FAILURES = "failures"
    """Calls, tools and look-ups that failed: 1."""
    SPANS = "spans"
    """Every span: 1."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a span counts."""

    counting: Counting
    columns: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """The value of a row, Int64."""
        match self.counting:
            case Counting.USAGE:
                return f"if({_OWN}, {' + '.join(_amount(name) for name in self.columns)}, 0)"
            case Counting.CALLS:
                return f"toInt64({_OWN})"
            case Counting.FAILURES:
                classes = ", ".join(f"'{name}'" for name in _WORKING_CLASSES)
                return f"toInt64(Status = 'error' AND ({_OWN} OR SpanClass IN ({classes})))"
            case Counting.SPANS:
                return "toInt64(1)"

    @property
    def total_sql(self) -> str:
        """The sum over rows, Int64, in which a span that was stored twice counts once.

        A call that was sent again owns no usage; of other spans nothing but their ids tells.
        """
        if self.counting in {Counting.FAILURES, Counting.SPANS}:
            return f"toInt64(uniqExactIf((TraceId, SpanId), {self.sql} != 0))"
        return f"sum({self.sql})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpansWanted:
    """Which spans count, and what of them is read."""

    start_ns: int
    end_ns: int
    condition: Condition = EVERY_SPAN
    trace_ids: tuple[str, ...] | None = None
    """Only these traces, whole, whenever they ran. None: of the time."""
    counted: Counted
    texts: tuple[str, ...]
    """Columns of few words."""
    spans_max: int


def flame_spans(session: Session, wanted: SpansWanted) -> pa.Table | None:
    """Return TraceKey, SpanKey, ParentKey, StartNs, EndNs, Value and the texts as dictionaries.

    Rows are in no order; a span that was stored twice is there twice. None: a trace id is not
    known. Raise WrongQueryError when there are more spans than `spans_max`.
    """
    found = where(wanted.condition)
    parameters: dict[str, object] = {**found.parameters, "limit": wanted.spans_max + 1}
    if wanted.trace_ids is None:
        times = wanted.start_ns, wanted.start_ns - _BEFORE_NS, wanted.end_ns
        traces = named_sql("flame_traces").replace("/* condition */", found.sql)
        if wanted.condition == EVERY_SPAN:
            traces = f"(Timestamp >= fromUnixTimestamp64Nano({{start_ns:Int64}}) OR {traces})"
    else:
        ran = traces_time(session, wanted.trace_ids)
        if ran is None:
            return None
        times = ran[0], ran[0], ran[1]
        traces = "TraceId IN {trace_ids:Array(String)}"
        parameters["trace_ids"] = list(wanted.trace_ids)
    parameters |= dict(zip(("start_ns", "before_ns", "end_ns"), times, strict=True))
    sql = named_sql("flame_spans").replace("/* condition */", found.sql)
    sql = sql.replace("/* value */", wanted.counted.sql).replace("/* traces */", traces)
    sql = sql.replace("/* texts */", "".join(f", `{_known(name)}`" for name in wanted.texts))
    table = session.table(sql, parameters)
    if table.num_rows > wanted.spans_max:
        raise WrongQueryError(
            f"more than {wanted.spans_max} spans: choose a shorter time, or fewer spans with labels"
        )
    return table


def traces_time(session: Session, trace_ids: Sequence[str]) -> tuple[int, int] | None:
    """Return a time in which all spans of some traces began, None: there are none."""
    found = session.rows(named_sql("traces_time"), {"trace_ids": list(trace_ids), "limit": 1})
    if not found:
        return None
    (start_s, end_s) = found[0]
    return start_s * NANOSECONDS, (end_s + 1) * NANOSECONDS


def traces_of_spans(
    session: Session, span_ids: Sequence[str], start_ns: int, end_ns: int, limit: int
) -> tuple[str, ...]:
    """Return the ids of the traces, at most `limit`, of spans that began in a time."""
    rows = session.rows(
        named_sql("traces_of_spans"),
        {"span_ids": list(span_ids), "start_ns": start_ns, "end_ns": end_ns, "limit": limit},
    )
    return tuple(trace_id for (trace_id,) in rows)


def traces_of_keys(
    session: Session, keys: Sequence[int], start_ns: int, end_ns: int
) -> dict[int, str]:
    """Return the ids of traces that have spans in a time, by their TraceKey."""
    if not keys:
        return {}
    asked = {"keys": list(keys), "start_ns": start_ns, "end_ns": end_ns, "limit": len(keys)}
    return {int(key): str(trace) for key, trace in session.rows(named_sql("traces_of_keys"), asked)}


def _amount(column: str) -> str:
    """Return a column of tokens or money as an Int64; not known is 0."""
    if "Decimal" in _TYPES[column]:
        # The number of nano-dollars is what the decimal is stored as.
        return f"reinterpretAsInt64(ifNull({column}, 0))"
    return f"toInt64(ifNull({column}, 0))"


def _known(column: str) -> str:
    assert column in _TYPES, column  # noqa: S101 - a name of ours, and it becomes part of the SQL
    return column
