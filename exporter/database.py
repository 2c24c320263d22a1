"""The store as the service uses it: its schema in place, a client for each of its users."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import IO

from clickhouse_connect.driver.client import Client

from clickhouse.client import Address, Writer, claim, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.errors import ConfigurationError, StoreUnavailableError
from exporter.settings import Settings

log = logging.getLogger(__name__)


class Database:
    """The store's schema and its clients."""

    def __init__(self, settings: Settings) -> None:
        self._address: Address = parse_address(settings.clickhouse_url, settings.password)
        self._timeout_s = settings.insert_timeout_s
        # The store itself ends a question in time; the connection only has to outlast it.
        self._read_timeout_s = settings.query_time_max_s + 5.0
        self.reads = ReadPool(
            self._reader,
            size=settings.queries_max,
            wait_max_s=settings.query_wait_max_s,
            limits=read_limits(settings),
        )
        self._retention = Retention(
            spans_days=settings.spans_retention_days,
            content_days=settings.content_retention_days,
            minutes_days=settings.minutes_retention_days,
            hours_days=settings.hours_retention_days,
        )
        self._migrated = False
        self._claim: IO[str] | None = None
        self._turn = threading.Lock()
        self.problem = "ClickHouse was not reached yet"

    def prepare(self) -> None:
        """Migrate now. A server that does not answer yet is tried again before the first insert."""
        self._claim = claim(self._address)
        try:
            self._migrate()
        except StoreUnavailableError as error:
            if self._address.path is not None:
                raise ConfigurationError(
                    f"clickhouse_url: {self._address.path} cannot be opened ({error.__cause__}): "
                    "is another process using it?"
                ) from error
            log.warning("ClickHouse does not answer, rows are kept", extra={"error": str(error)})

    def reached(self) -> bool:
        """Return whether the schema is in place, after trying once more."""
        with contextlib.suppress(StoreUnavailableError, ConfigurationError):
            self._migrate()
        return self._migrated

    def writer(self) -> Writer:
        """Return a client for the store's thread."""
        self._migrate()
        return Writer(connect(self._address, timeout_s=self._timeout_s))

    def _reader(self) -> Client:
        self._migrate()
        return connect(self._address, timeout_s=self._read_timeout_s)

    def _migrate(self) -> None:
        with self._turn:
            if not self._migrated:
                migrate(self._address, self._retention)
                self._migrated = True
                self.problem = ""


def read_limits(settings: Settings) -> ReadLimits:
    """Return what one question may take."""
    return ReadLimits(
        time_max_s=settings.query_time_max_s,
        memory_max_bytes=settings.query_memory_max_bytes,
        threads_max=settings.query_threads_max,
    )
