"""Give stored calls another price, day by day, while the service goes on writing.

The new prices of a day go into a table of their own, from which one mutation of the day's partition
takes them. A mutation rewrites only the columns of the price, replaces each part of the table at
once, and leaves alone what is inserted meanwhile; to swap a rebuilt partition in would lose that.

Then the usage by minute and by hour gets the difference between what the rows add up to and what
it says, as one more row for each group. Nothing is deleted, so a question asked meanwhile is
answered with the old or the new sum. The difference is taken anew each time, so every step can be
cut off and repeated.
"""

from __future__ import annotations

import logging
from datetime import date
from importlib import resources

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from clickhouse.client import typed_errors
from clickhouse.migrate import quoted
from clickhouse.reads.calls import PRICE_COLUMNS, PRICE_KEY
from exporter.spans.batch import Bools, SpanBatch
from exporter.spans.schema import COST_COLUMNS, SPAN_COLUMNS, SPANS_TABLE

log = logging.getLogger(__name__)

_PREFIX = "llm_reprice_"
# Rows of new prices that the engine holds in memory at once, about 200 bytes each.
_ROWS_MAX = 1_000_000
_GROUP = (
    "Environment, ServiceName, Provider, Model, Operation, Status, ErrorType, Feature, Tenant, "
    "Release, Agent"
)
_ROLLUPS = {"llm_usage_1m": "toStartOfMinute", "llm_usage_1h": "toStartOfHour"}
_COSTS = ("CostUsd", *COST_COLUMNS.values())
_TYPES = {
    column.name: column.clickhouse.replace("LowCardinality(String)", "String")
    for column in SPAN_COLUMNS
}


def changed(old: SpanBatch, new: SpanBatch) -> Bools:
    """Return whose price is another one. The same price of a newer list is the same price."""
    differs = np.zeros(len(old), dtype=np.bool_)
    for name in PRICE_COLUMNS:
        if name != "PriceVersion":
            before, after = old[name].to_pylist(), new[name].to_pylist()
            differs |= np.array([x != y for x, y in zip(before, after, strict=True)], np.bool_)
    return differs


class Repricer:
    """Writes new prices over old ones. Close it: that takes down what it had put up."""

    def __init__(self, client: Client, database: str) -> None:
        self._client = client
        self._database = database
        self._waiting: list[pa.Table] = []
        self._clean_up()

    def add(self, day: str, batch: SpanBatch, rows: Bools) -> None:
        """Take in the new prices of these rows of a day's calls."""
        if not rows.any():
            return
        mask = pa.array(rows)
        text = pa.string()
        columns = {"PriceKey": batch["PriceKey"].filter(mask), "IsNew": pa.array([1] * rows.sum())}
        for name in PRICE_COLUMNS:
            column = batch[name].filter(mask)
            is_text = _TYPES[name] == "String"
            columns[name] = column.cast(text).fill_null("") if is_text else column
        self._waiting.append(pa.table(columns))
        if sum(table.num_rows for table in self._waiting) >= _ROWS_MAX:
            self._write(day)

    def finish(self, day: str) -> int:
        """Write what was added of a day, and bring the usage by minute and by hour in line.

        Return the groups of the latter that do not hold the same calls as the rows do, because
        calls of them are just arriving or have been deleted: those stay as they are.
        """
        if self._waiting:
            self._write(day)
        return sum(self._settle(table, day) for table in _ROLLUPS)

    def close(self) -> None:
        """Stop a mutation that is still going on, and drop its table."""
        self._clean_up()

    def _write(self, day: str) -> None:
        name = _PREFIX + date.fromisoformat(day).strftime("%Y%m%d")
        columns = ", ".join(f"{column} {_TYPES[column]}" for column in PRICE_COLUMNS)
        new = pa.concat_tables(self._waiting)
        with typed_errors():
            self._client.command(f"DROP TABLE IF EXISTS {name} SYNC")
            self._client.command(
                f"CREATE TABLE {name} (PriceKey String, IsNew UInt8, {columns}) "
                "ENGINE = Join(ANY, LEFT, PriceKey)"
            )
            self._client.insert_arrow(name, new)
            source = f"{self._database}.{name}"
            updates = ", ".join(
                f"{column} = joinGet('{source}', '{column}', {PRICE_KEY})"
                for column in PRICE_COLUMNS
            )
            self._client.command(
                f"ALTER TABLE {SPANS_TABLE} UPDATE {updates} IN PARTITION '{day}' "
                "WHERE SpanClass = 'call' AND UsageRole = 'own' "
                f"AND joinGet('{source}', 'IsNew', {PRICE_KEY}) = 1",
                settings={"mutations_sync": 2},
            )
            self._client.command(f"DROP TABLE {name} SYNC")
        self._waiting = []

    def _settle(self, table: str, day: str) -> int:
        parameters = {"day": date.fromisoformat(day)}
        both = _differences(table)
        # A count is unsigned: less of it is added as the number that wraps around to it.
        amounts = ["toUInt64(s.Unpriced - u.Unpriced)", *(f"s.{c}Sum - u.{c}Sum" for c in _COSTS)]
        differ = ["s.Unpriced != u.Unpriced", *(f"s.{c}Sum != u.{c}Sum" for c in _COSTS)]
        with typed_errors():
            self._client.command(
                f"INSERT INTO {table} (Time, {_GROUP}, UnpricedRequests, {', '.join(_COSTS)}) "
                f"SELECT Time, {_GROUP}, {', '.join(amounts)} {both} "
                f"WHERE s.Calls = u.Calls AND ({' OR '.join(differ)})",
                parameters=parameters,
                # Two corrections may be the same number, and are still two.
                settings={"insert_deduplicate": 0},
            )
            left = self._client.query(
                f"SELECT count() {both} WHERE s.Calls != u.Calls", parameters=parameters
            )
        return int(left.result_rows[0][0])

    def _clean_up(self) -> None:
        """Remove what was left behind. A mutation without its table would fail for ever."""
        here = {"database": self._database, "spans": SPANS_TABLE, "ours": f"%{_PREFIX}%"}
        with typed_errors():
            going_on = self._client.query(
                "SELECT count() FROM system.mutations WHERE database = {database:String} "
                "AND table = {spans:String} AND command LIKE {ours:String} AND NOT is_done",
                parameters=here,
            )
            if going_on.result_rows[0][0]:
                log.warning("a change of prices was cut off, stopping it")
                self._client.command(
                    "KILL MUTATION WHERE database = currentDatabase() "
                    f"AND table = '{SPANS_TABLE}' AND command LIKE '%{_PREFIX}%' SYNC"
                )
            tables = self._client.query(
                "SELECT name FROM system.tables "
                "WHERE database = {database:String} AND name LIKE {ours:String}",
                parameters=here,
            )
            for (name,) in tables.result_rows:
                self._client.command(f"DROP TABLE IF EXISTS {quoted(name)} SYNC")


def _differences(table: str) -> str:
    sql = (resources.files("clickhouse") / "sql" / "usage_differences.sql").read_text("utf-8")
    marks = {
        "start": _ROLLUPS[table],
        "group": _GROUP,
        "sums": ", ".join(f"ifNull(sum(t.{c}), 0) AS {c}Sum" for c in _COSTS),
        "table": table,
    }
    sql = sql[sql.index("FROM\n") :]
    for mark, text in marks.items():
        sql = sql.replace(f"/* {mark} */", text)
    return sql
