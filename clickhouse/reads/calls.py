"""The calls of a time and the models without a price: what the price commands ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from clickhouse.client import typed_errors
from clickhouse.reads.session import named_sql
from exporter.errors import ConfigurationError
from exporter.spans.batch import Attributes, Children, SpanBatch
from exporter.spans.schema import (
    COST_COLUMNS,
    NANOSECONDS,
    SPAN_COLUMNS,
    TOKEN_KINDS,
)

_TIME_MAX_S = 120
_MINUTES_MAX = 60 * 24 * 3660
# Rows that are held in memory at once, about 300 bytes each.
_WINDOW_CALLS = 100_000
_CALLS_MAX = 20_000_000
_MINUTE_NS = 60 * NANOSECONDS

_COLUMNS = {column.name: column for column in SPAN_COLUMNS}
# What a price depends on, besides the start and the reported cost. The last two may be missing.
PRICE_INPUTS: tuple[str, ...] = (
    "Provider",
    "RequestModel",
    "ResponseModel",
    "Status",
    "UsageSource",
    "Duration",
    *(kind.column for kind in TOKEN_KINDS),
    *(name for name in ("ServiceTier", "CacheHit") if name in _COLUMNS),
)
# What a price is.
PRICE_COLUMNS: tuple[str, ...] = (
    "CostUsd",
    *COST_COLUMNS.values(),
    "ComputedCostUsd",
    "CostSource",
    "UnpricedReason",
    "PriceId",
    "PriceVersion",
)
# Calls that have the same key have the same price.
PRICE_KEY = "hex(sipHash128({}))".format(
    ", ".join(
        f"ifNull(toString({name}), '-')"
        for name in ("TraceId", "SpanId", "Timestamp", "ReportedCostUsd", *PRICE_INPUTS)
    )
)


@dataclass(frozen=True, slots=True)
class UnpricedModel:
    """A model that calls were made of and no price was found for."""

    provider: str
    model: str
    reason: str
    calls: int
    tokens: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which so many calls began, all of them in one partition of the table."""

    day: str
    start_ns: int
    end_ns: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Which calls: those that began in a time, of a model, of a provider (empty: of all)."""

    start_ns: int
    end_ns: int
    model: str = ""
    provider: str = ""


class CallReader:
    """Answers questions; raises StoreUnavailableError, or ConfigurationError if one is too big."""

    def __init__(self, client: Client, *, window_calls: int = _WINDOW_CALLS) -> None:
        self._client = client
        self._window_calls = window_calls

    def unpriced_models(self, start_ns: int, end_ns: int, limit: int = 200) -> list[UnpricedModel]:
        """Return the models without a price, the most frequent first, at most `limit`."""
        sql = named_sql("unpriced_models").replace(
            "/* tokens */", " + ".join(f"sum(ifNull({k.column}, 0))" for k in TOKEN_KINDS)
        )
        rows = self._rows(sql, {"start_ns": start_ns, "end_ns": end_ns, "limit": limit})
        return [UnpricedModel(*row) for row in rows]

    def windows(self, calls: Calls) -> list[Window]:
        """Cut the time into windows with few enough calls to hold, in their order.

        A minute is never cut.
        """
        parameters = _parameters(calls) | {"limit": _MINUTES_MAX}
        windows: list[Window] = []
        for day, minute_s, count in self._rows(named_sql("minutes_of_calls"), parameters):
            start_ns = max(minute_s * NANOSECONDS, calls.start_ns)
            end_ns = min(minute_s * NANOSECONDS + _MINUTE_NS, calls.end_ns)
            last = windows[-1] if windows else None
            if last and last.day == day and last.calls + count <= self._window_calls:
                windows[-1] = Window(day, last.start_ns, end_ns, last.calls + count)
            else:
                windows.append(Window(day, start_ns, end_ns, count))
        return windows

    def calls(self, window: Window, calls: Calls, charge_keys: Sequence[str]) -> SpanBatch:
        """Return the calls of a window, as the pricer takes them, with PriceKey and their price.

        `charge_keys` are the attributes that make a reported cost a charge.
        """
        sql = named_sql("calls").replace("/* key */", PRICE_KEY)
        sql = sql.replace("/* columns */", ", ".join((*PRICE_INPUTS, *PRICE_COLUMNS)))
        parameters = _parameters(calls) | {
            "start_ns": window.start_ns,
            "end_ns": window.end_ns,
            "charge_keys": list(charge_keys),
            "limit": _CALLS_MAX,
        }
        with typed_errors():
            table: pa.Table = self._client.query_arrow(
                sql, parameters=parameters, settings={"max_execution_time": _TIME_MAX_S}
            )
        _whole(table.num_rows, _CALLS_MAX)
        return _batch(table.combine_chunks())

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Any]:
        with typed_errors():
            rows = self._client.query(
                sql, parameters=dict(parameters), settings={"max_execution_time": _TIME_MAX_S}
            ).result_rows
        if parameters["limit"] == _MINUTES_MAX:
            _whole(len(rows), _MINUTES_MAX)
        return rows


def _parameters(calls: Calls) -> dict[str, Any]:
    return {
        "start_ns": calls.start_ns,
        "end_ns": calls.end_ns,
        "model": calls.model,
        "provider": calls.provider,
    }


def _whole(rows: int, limit: int) -> None:
    if rows >= limit:
        raise ConfigurationError(f"more than {limit} rows: ask for a shorter time")


def _batch(table: pa.Table) -> SpanBatch:
    """Return rows as a batch whose spans have no attributes, events or links."""
    columns = dict(_columns(table))
    n = table.num_rows
    nobody = np.zeros(n, dtype=np.int32)
    none = _no_attributes(n)
    children = Children(
        offsets=np.zeros(n + 1, dtype=np.int32), columns={}, attributes=_no_attributes(0)
    )
    no_keys = np.zeros(n, dtype=np.uint64)
    return SpanBatch(
        columns=columns,
        trace_keys=no_keys,
        keys=no_keys,
        parent_keys=no_keys,
        attributes=none,
        events=children,
        links=children,
        resource_of_span=nobody,
        resources={},
        resource_attributes=_no_attributes(1),
        scope_of_span=nobody,
        scopes={},
        scope_attributes=_no_attributes(1),
    )


def _columns(table: pa.Table) -> Iterator[tuple[str, pa.Array]]:
    for name in table.column_names:
        column = _single(table[name])
        if name == "StartNs":
            yield "Timestamp", column.cast(pa.int64()).cast(pa.timestamp("ns"))
        elif name in _COLUMNS:
            yield name, _as_in_a_batch(column, _COLUMNS[name].clickhouse, _COLUMNS[name].arrow)
        elif name == "PriceKey":
            yield name, column.cast(pa.string())
        else:
            yield name, column.cast(pa.bool_())


def _single(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _as_in_a_batch(column: pa.Array, clickhouse: str, arrow: pa.DataType) -> pa.Array:
    plain = column.cast(arrow)
    if clickhouse != "LowCardinality(String)":
        return plain
    # Text that is not known is empty in the tables and null in a batch.
    encoded = plain.dictionary_encode()
    words = [word or None for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(encoded.indices).dictionary_encode()


def _no_attributes(owners: int) -> Attributes:
    return Attributes(
        offsets=np.zeros(owners + 1, dtype=np.int32),
        codes=np.zeros(0, dtype=np.int32),
        keys=pa.array([], pa.string()),
        kinds=np.zeros(0, dtype=np.uint8),
        text=pa.array([], pa.string()),
        ints=pa.array([], pa.int64()),
        doubles=pa.array([], pa.float64()),
        exact=None,
    )
