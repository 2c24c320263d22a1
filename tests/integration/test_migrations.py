"""Migrations: the database is what the code declares, on both engines, however often they run."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.client import Address, Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate, migrations
from exporter.errors import ConfigurationError, StoreUnavailableError
from exporter.metrics.catalog import REQUEST_DURATION, TIME_TO_FIRST_TOKEN
from exporter.spans.rows import rows
from exporter.spans.schema import COST_COLUMNS, TABLES, TOKEN_KINDS
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import NOON_NS, NS
from tests.support.service import environment, store_url
from tests.unit.pipeline import chat, price

RETENTION = Retention(spans_days=3000, content_days=3000, minutes_days=3000, hours_days=3000)
ROLLUPS = ("llm_usage_1m", "llm_usage_1h")
_names = iter(range(1000))


@pytest.fixture
def fresh(clickhouse: ClickHouseServer) -> Iterator[Address]:
    """Where there is no database yet."""
    clickhouse.control({})
    address = parse_address(store_url(clickhouse, f"fresh-{next(_names)}"))
    yield address
    clickhouse.control({})
    with closing(connect(address, database="default")) as client:
        client.command(f"DROP DATABASE IF EXISTS `{address.database}`")


@pytest.fixture
def client(fresh: Address) -> Iterator[Client]:
    """A client of a migrated database."""
    migrate(fresh, RETENTION)
    with closing(connect(fresh)) as opened:
        yield opened


def columns(client: Client, table: str) -> list[tuple[str, str]]:
    return client.query(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() "
        "AND table = %(table)s ORDER BY position",
        parameters={"table": table},
    ).result_rows


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_declared_columns_in_their_order(client: Client, table: str):
    assert columns(client, table) == [(c.name, c.clickhouse) for c in TABLES[table]]


@pytest.mark.parametrize("table", ROLLUPS)
def test_a_rollup_has_every_kind_of_token_and_cost(client: Client, table: str):
    types = dict(columns(client, table))
    count, money = (
        f"SimpleAggregateFunction(sum, {inner})" for inner in ("UInt64", "Decimal(38, 9)")
    )
    assert {name: kind for name, kind in types.items() if name.startswith("Tokens")} == {
        kind.column: count for kind in TOKEN_KINDS
    }
    assert {name: kind for name, kind in types.items() if name.startswith("Cost")} == dict.fromkeys(
        ["CostUsd", *COST_COLUMNS.values()], money
    )


def test_the_rollups_have_the_buckets_of_the_metric():
    (rollups,) = (m for m in migrations() if m.name == "usage_rollups")
    (bounds,) = re.findall(r"WITH \[([\d,\s]+)\] AS bounds", rollups.sql)
    assert tuple(int(bound) for bound in bounds.split(",")) == REQUEST_DURATION.buckets_ns
    assert TIME_TO_FIRST_TOKEN.buckets_ns == REQUEST_DURATION.buckets_ns


def test_files_are_numbered_without_a_gap():
    assert [m.version for m in migrations()] == list(range(1, len(migrations()) + 1))
    for migration in migrations():
        assert migration.statements
        for statement in migration.statements:
            assert "IF NOT EXISTS" in statement, statement[:60]


def test_a_second_run_changes_nothing(clickhouse: ClickHouseServer, fresh: Address):
    assert [m.version for m in migrate(fresh, RETENTION)] == [m.version for m in migrations()]
    clickhouse.fail_next(999, match="^ *(ALTER|DROP|INSERT|CREATE (?!DATABASE|TABLE IF NOT))")
    assert migrate(fresh, RETENTION) == []
    assert len(clickhouse.control()["fail"]) == 1


def test_a_file_that_changed_stops_the_start(client: Client, fresh: Address):
    client.command(
        "ALTER TABLE schema_migrations UPDATE checksum = 'other' WHERE version = 2 "
        "SETTINGS mutations_sync = 2"
    )
    with pytest.raises(ConfigurationError) as error:
        migrate(fresh, RETENTION)
    assert str(error.value) == (
        "migration 0002_content was applied with another text: "
        "schema files are never changed, only added"
    )


def test_a_newer_database_stops_the_start(client: Client, fresh: Address):
    client.command("INSERT INTO schema_migrations (version, name) VALUES (9000, 'tomorrow')")
    with pytest.raises(ConfigurationError) as error:
        migrate(fresh, RETENTION)
    assert str(error.value) == (
        "the database has schema version 9000, this program knows up to "
        f"{migrations()[-1].version}: run a newer version of it"
    )


def _changes() -> list[str]:
    """Return a pattern for each statement that changes something, in their order."""
    changed = [
        f"^ *(--[^\\n]*\\n)*{found[1]}.*EXISTS\\s+{found[2]}\\b"
        for m in migrations()
        for s in m.statements
        if (found := re.search(r"(CREATE|ALTER)[^(]*IF NOT EXISTS\s+(\w+)", s))
    ]
    return [
        "^ *CREATE DATABASE",
        "^ *CREATE TABLE IF NOT EXISTS schema_migrations",
        *changed,
        "^ *INSERT INTO .?schema_migrations",
        "^ *ALTER TABLE otel_traces_trace_id_ts",
        "^ *ALTER TABLE llm_usage_1h",
    ]


@pytest.mark.parametrize("failing", _changes())
def test_a_migration_that_was_cut_off_is_repeated(
    clickhouse: ClickHouseServer, fresh: Address, failing: str
):
    clickhouse.fail_next(999, match=failing.replace(".*", "[^(]*"))
    with pytest.raises(StoreUnavailableError):
        migrate(fresh, RETENTION)
    assert not clickhouse.control()["fail"]
    migrate(fresh, RETENTION)
    with closing(connect(fresh)) as client:
        for table, declared in TABLES.items():
            assert columns(client, table) == [(c.name, c.clickhouse) for c in declared]
        versions = client.query("SELECT version FROM schema_migrations ORDER BY 1").result_rows
        assert [version for (version,) in versions] == [m.version for m in migrations()]


def test_a_migration_whose_answer_was_lost_is_repeated(
    clickhouse: ClickHouseServer, fresh: Address
):
    clickhouse.cut_next(match="INSERT INTO .?schema_migrations", times=3)
    with pytest.raises(StoreUnavailableError):
        migrate(fresh, RETENTION)
    clickhouse.control({})
    migrate(fresh, RETENTION)
    assert migrate(fresh, RETENTION) == []


def test_retention_is_what_the_settings_say(client: Client, fresh: Address):
    def shown() -> dict[str, int]:
        sql = (
            "SELECT name, extract(engine_full, 'toIntervalDay\\\\((\\\\d+)\\\\)') "
            "FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '%TTL%'"
        )
        return {name: int(days) for name, days in client.query(sql).result_rows}

    assert set(shown().values()) == {3000}
    migrate(fresh, Retention(spans_days=30, content_days=3, minutes_days=13, hours_days=300))
    assert shown() == {
        "otel_traces": 30,
        "otel_traces_trace_id_ts": 30,
        "llm_content": 3,
        "llm_usage_1m": 13,
        "llm_usage_1h": 300,
    }


def test_retention_deletes_what_is_too_old(client: Client, fresh: Address):
    now = int(client.command("SELECT toUnixTimestamp(now())")) * NS
    old, new = (price(chat(start_ns=now - days * 86_400 * NS)) for days in (20, 1))
    insert(client, old)
    insert(client, new)
    migrate(fresh, Retention(spans_days=10, content_days=10, minutes_days=10, hours_days=10))
    for table in ("otel_traces", *ROLLUPS):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    assert client.command("SELECT count() FROM otel_traces") == 1
    assert client.command("SELECT sum(Requests) FROM llm_usage_1m") == 1


# What the rollups hold ----------------------------------------------------------------------


def insert(client: Client, batch: Any, **settings: Any) -> None:
    for name, table in rows(batch).tables.items():
        if table.num_rows:
            Writer(client).insert_arrow(name, pa.Table.from_batches([table]), settings)


def generated() -> Any:
    """Return calls of several models, minutes, outcomes and durations at and beside each bound."""
    durations = [
        bound + beside for bound in REQUEST_DURATION.buckets_ns for beside in (-1, 0, 1)
    ] + [0, 10**13]
    return price(
        *(
            chat(
                {
                    "gen_ai.request.model": ("gpt-4o", "gpt-4o-mini", "no-such-model")[n % 3],
                    "gen_ai.usage.input_tokens": 1000 + n,
                    "gen_ai.usage.cache_read.input_tokens": n,
                    "gen_ai.usage.output_tokens": 7 * n,
                },
                number=n + 1,
                start_ns=NOON_NS + n * 17 * NS,
                duration_ns=duration,
                status=2 if n % 5 == 0 else 0,
            )
            for n, duration in enumerate(durations)
        )
    )


@pytest.mark.parametrize("rollup", ROLLUPS)
def test_a_rollup_agrees_with_the_spans(client: Client, rollup: str):
    batch = generated()
    insert(client, batch)
    sums = [kind.column for kind in TOKEN_KINDS] + ["CostUsd", *COST_COLUMNS.values(), "Duration"]
    dimensions = "Provider, Model, Operation, Status, ErrorType, ServiceName"
    of_spans = ", ".join(f"ifNull(sum(s.{name}), 0)" for name in sums)
    of_rollup = ", ".join(f"sum(r.{name})" for name in sums)
    spans = client.query(
        f"SELECT {dimensions}, count(), countIf(UnpricedReason != ''), {of_spans} "
        f"FROM otel_traces AS s WHERE UsageRole = 'own' GROUP BY {dimensions} ORDER BY ALL"
    ).result_rows
    found = client.query(
        f"SELECT {dimensions}, sum(Requests), sum(UnpricedRequests), {of_rollup} "
        f"FROM {rollup} AS r GROUP BY {dimensions} ORDER BY ALL"
    ).result_rows
    assert len(spans) > 4
    assert found == spans
    assert client.command(f"SELECT sum(CostUsd) > 0 FROM {rollup}") == 1


@pytest.mark.parametrize("rollup", ROLLUPS)
def test_the_buckets_of_a_rollup_are_those_of_the_metric(client: Client, rollup: str):
    batch = generated()
    insert(client, batch)
    bounds = REQUEST_DURATION.buckets_ns
    expected: dict[int, int] = {}
    for duration in batch.duration_ns.tolist():
        bucket = sum(bound < duration for bound in bounds)  # The bound itself is in its bucket.
        expected[bucket] = expected.get(bucket, 0) + 1
    (found,) = client.query(f"SELECT sumMap(DurationBuckets) FROM {rollup}").result_rows
    assert found[0] == expected


def test_a_repeated_insert_counts_once(client: Client):
    batch = generated()
    for _ in range(3):
        insert(client, batch, insert_deduplication_token="same")
    for table, count in [("otel_traces", "count()"), *((r, "sum(Requests)") for r in ROLLUPS)]:
        assert client.command(f"SELECT {count} FROM {table}") == len(batch), table
    insert(client, batch, insert_deduplication_token="another")
    assert client.command("SELECT sum(Requests) FROM llm_usage_1h") == 2 * len(batch)


def test_the_time_of_each_trace_is_kept(client: Client):
    insert(client, price(chat(trace=7), chat(trace=7, number=2, start_ns=NOON_NS + 90 * NS)))
    found = client.query(
        "SELECT TraceId, toUnixTimestamp(min(Start)), toUnixTimestamp(max(End)) "
        "FROM otel_traces_trace_id_ts GROUP BY TraceId"
    ).result_rows
    assert found == [(f"{7:032x}", NOON_NS // NS, NOON_NS // NS + 90)]


# The embedded engine ------------------------------------------------------------------------


EMBEDDED = """
import sys
from contextlib import closing
from clickhouse.client import connect, parse_address
from clickhouse.migrate import Retention, migrate
from exporter.spans.schema import TABLES
from tests.integration.test_migrations import RETENTION, columns, generated, insert

address = parse_address("chdb:" + sys.argv[1])
applied = migrate(address, RETENTION)
assert migrate(address, RETENTION) == []
with closing(connect(address)) as client:
    for table, declared in TABLES.items():
        assert columns(client, table) == [(c.name, c.clickhouse) for c in declared]
    batch = generated()
    for _ in range(2):
        insert(client, batch, insert_deduplication_token="same")
    for table, count in [("otel_traces", "count()"), ("llm_usage_1h", "sum(Requests)")]:
        assert client.command(f"SELECT {count} FROM {table}") == len(batch), table
print(len(applied))
"""


def test_the_embedded_engine_takes_the_same_files(tmp_path: Path):
    """In a process of its own: an engine cannot be opened twice in one."""
    for expected in (len(migrations()), 0):
        done = subprocess.run(
            [sys.executable, "-c", EMBEDDED, str(tmp_path / "engine")],
            check=False,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env=environment(),
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(expected)]


def test_two_that_start_at_once_do_no_harm(fresh: Address):
    threads = [threading.Thread(target=migrate, args=(fresh, RETENTION)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    migrate(fresh, RETENTION)
    with closing(connect(fresh)) as client:
        assert columns(client, "otel_traces")
