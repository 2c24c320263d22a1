"""Bring a database to the schema of this version: numbered SQL files, forward only.

Every statement can be repeated, because ClickHouse has no transaction around DDL: a migration
that was cut off is simply run again. The same files serve a server and the embedded engine.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from importlib import resources

from clickhouse_connect.driver.client import Client

from clickhouse.client import Address, connect, typed_errors
from exporter.errors import ConfigurationError

log = logging.getLogger(__name__)

_FILE = re.compile(r"^(\d{4})_(\w+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the schema folder."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """A fingerprint of the text: an applied file must never change."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]

    @property
    def statements(self) -> list[str]:
        """The statements; each ends with a semicolon at the end of a line."""
        return [part.strip() for part in re.split(r";\s*(?:\n|$)", self.sql) if part.strip()]


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days the rows of each table are deleted."""

    spans_days: int
    content_days: int
    minutes_days: int
    hours_days: int

    @property
    def by_table(self) -> dict[str, tuple[str, int]]:
        """For each table its time column and its days."""
        return {
            "otel_traces": ("Timestamp", self.spans_days),
            "otel_traces_trace_id_ts": ("Start", self.spans_days),
            "llm_content": ("Timestamp", self.content_days),
            "llm_usage_1m": ("Time", self.minutes_days),
            "llm_usage_1h": ("Time", self.hours_days),
        }


def migrations() -> list[Migration]:
    """Return the migrations of this version in their order."""
    found = (
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in (resources.files("clickhouse") / "schema").iterdir()
        if (match := _FILE.match(file.name))
    )
    return sorted(found, key=lambda m: m.version)


def migrate(address: Address, retention: Retention) -> list[Migration]:
    """Create the database where it is missing, apply what is new, set the retention.

    Return the migrations that were applied now. Raise ConfigurationError when the database is of
    a newer version, or an applied file has changed; StoreUnavailableError when there is no answer.
    """
    with typed_errors():
        bootstrap = connect(address, database="default")
        try:
            bootstrap.command(f"CREATE DATABASE IF NOT EXISTS {quoted(address.database)}")
        finally:
            bootstrap.close()
        client = connect(address)
        try:
            applied = _apply(client)
            _retain(client, retention)
        finally:
            client.close()
    return applied


def quoted(identifier: str) -> str:
    """Return a name as a ClickHouse identifier."""
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _apply(client: Client) -> list[Migration]:
    client.command(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, "
        "checksum String, applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version"
    )
    rows = client.query("SELECT version, checksum FROM schema_migrations").result_rows
    done: dict[int, str] = {int(version): str(checksum) for version, checksum in rows}
    ours = migrations()
    if newer := sorted(set(done) - {m.version for m in ours}):
        raise ConfigurationError(
            f"the database has schema version {newer[-1]}, this program knows up to "
            f"{ours[-1].version}: run a newer version of it"
        )
    applied: list[Migration] = []
    for migration in ours:
        if migration.version in done:
            if done[migration.version] != migration.checksum:
                raise ConfigurationError(
                    f"migration {migration.version:04d}_{migration.name} was applied with another "
                    "text: schema files are never changed, only added"
                )
            continue
        for statement in migration.statements:
            client.command(statement)
        client.insert(
            "schema_migrations",
            [[migration.version, migration.name, migration.checksum]],
            column_names=["version", "name", "checksum"],
        )
        log.info(
            "migration applied", extra={"migration": f"{migration.version:04d}_{migration.name}"}
        )
        applied.append(migration)
    return applied


def _retain(client: Client, retention: Retention) -> None:
    """Set each table's TTL where it differs from the setting."""
    rows = client.query(
        "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()"
    ).result_rows
    engines: dict[str, str] = {str(name): str(engine) for name, engine in rows}
    for table, (column, days) in retention.by_table.items():
        wanted = f"TTL toDateTime({column}) + toIntervalDay({days})"
        if wanted not in engines[table]:
            client.command(
                f"ALTER TABLE {table} MODIFY {wanted} SETTINGS materialize_ttl_after_modify = 0"
            )
            # Existing parts learn of it too, without being rewritten.
            client.command(
                f"ALTER TABLE {table} MODIFY SETTING materialize_ttl_recalculate_only = 1"
            )
            client.command(f"ALTER TABLE {table} MATERIALIZE TTL")
