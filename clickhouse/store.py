"""Write rows to ClickHouse in large inserts, each exactly once, none lost while the process lives.

Rows are collected until there are enough of them or the oldest is old enough. An insert carries a
deduplication token, so that one whose answer was lost can be repeated. While ClickHouse cannot
take rows they are kept and tried again; when the buffer is full, `write` blocks, and with it
everything before it up to the senders, who are told to come back.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from exporter.errors import RejectedRowsError, StoreUnavailableError
from exporter.spans.rows import Rows

log = logging.getLogger(__name__)

_RETRY_FIRST_S = 0.2
# Each insert's blocks: a span may be as old as a setting allows, each day is a partition.
_PARTITIONS_MAX = 4000


class Inserter(Protocol):
    """What the store needs of a client: `client.Writer` has it."""

    def insert_arrow(self, table: str, arrow_table: pa.Table, settings: dict[str, Any]) -> None:
        """Insert rows; raise RejectedRowsError or StoreUnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """When rows are written, and how many may wait."""

    max_rows: int
    max_age_s: float
    buffer_max_bytes: int
    retry_max_s: float


@dataclass(frozen=True, slots=True)
class Insert:
    """What became of one insert: reported to whoever counts."""

    table: str
    rows: int
    seconds: float
    outcome: str
    """ok, retried (kept and tried again), rejected (the rows are refused for good) or lost."""


class Store:
    """Collects rows and writes them from a thread of its own."""

    def __init__(
        self,
        connect: Callable[[], Inserter],
        limits: StoreLimits,
        on_insert: Callable[[Insert], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._client: Inserter | None = None
        self._limits = limits
        self._on_insert = on_insert
        self._clock = clock
        self._waiting: list[Rows] = []
        self._waiting_rows = 0
        self._bytes = 0
        self._oldest = 0.0
        self._closing = False
        self._deadline: float | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def write(self, rows: Rows) -> None:
        """Take rows in; block while the buffer is full. Rows always fit into an empty buffer."""
        size = rows.size_bytes
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    not self._bytes
                    or self._bytes + size <= self._limits.buffer_max_bytes
                    or self._past_deadline()
                )
            )
            if self._past_deadline():
                # Nobody writes any more: say so here, before the caller counts them as handed on.
                self._lose(rows.spans)
                return
            if not self._waiting:
                self._oldest = self._clock()
            self._waiting.append(rows)
            self._waiting_rows += rows.spans
            self._bytes += size
            self._changed.notify_all()

    @property
    def waiting(self) -> tuple[int, int]:
        """Spans that wait for an insert or are in one, and bytes of their rows."""
        with self._changed:
            return self._waiting_rows, self._bytes

    def close(self, timeout_s: float) -> bool:
        """Write what is there, for at most `timeout_s`; return whether all of it was written."""
        with self._changed:
            self._closing = True
            self._deadline = self._clock() + timeout_s
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s + 1.0)
        rows, _ = self.waiting
        if rows:
            self._lose(rows)
        return not rows

    def _lose(self, rows: int) -> None:
        self._on_insert(Insert("otel_traces", rows, 0.0, "lost"))
        log.error("stopped with rows that could not be written", extra={"rows": rows})

    # The thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while block := self._next_block():
            written = self._write_block(block)
            with self._changed:
                if written:
                    self._waiting_rows -= _spans(block)
                    self._bytes -= sum(rows.size_bytes for rows in block)
                self._changed.notify_all()
            if not written:
                return

    def _next_block(self) -> list[Rows]:
        """Wait until rows are due and return them; an empty list: closed and nothing left."""
        with self._changed:
            while not self._due():
                if self._closing and not self._waiting:
                    return []
                self._changed.wait(self._age_left() if self._waiting else None)
            block: list[Rows] = []
            while self._waiting and _spans(block) < self._limits.max_rows:
                block.append(self._waiting.pop(0))
            # What stays behind came later; counting its age from now delays it by a step at most.
            self._oldest = self._clock()
            return block

    def _due(self) -> bool:
        if not self._waiting:
            return False
        enough = _spans(self._waiting) >= self._limits.max_rows
        return enough or self._closing or self._age_left() <= 0

    def _age_left(self) -> float:
        return self._oldest + self._limits.max_age_s - self._clock()

    def _write_block(self, block: list[Rows]) -> bool:
        """Write each table of a block; return False when time ran out before it was done."""
        token = uuid.uuid4().hex
        for table in block[0].tables:
            batches = [rows.tables[table] for rows in block if rows.tables[table].num_rows]
            if batches and not self._write_table(table, pa.Table.from_batches(batches), token):
                return False
        return True

    def _write_table(self, table: str, rows: pa.Table, token: str) -> bool:
        """Insert until it succeeds; rows that are refused are cut down to those at fault."""
        pause = _RETRY_FIRST_S
        while True:
            try:
                self._insert(table, rows, token)
            except RejectedRowsError as error:
                return self._isolate(table, rows, token, error)
            except Exception as error:
                if isinstance(error, StoreUnavailableError):
                    log.warning("insert failed, trying again", extra={"error": str(error)})
                else:
                    # Nobody foresaw it: the rows are kept all the same, and a person is told.
                    log.exception("insert failed, trying again")
                if self._pause(pause):
                    return False
                pause = min(pause * 2, self._limits.retry_max_s)
            else:
                return True

    def _isolate(self, table: str, rows: pa.Table, token: str, error: RejectedRowsError) -> bool:
        """Write both halves of refused rows, down to the single row that is at fault."""
        if rows.num_rows == 1:
            self._on_insert(Insert(table, 1, 0.0, "rejected"))
            log.error("row refused for good", extra={"table": table, "error": str(error)})
            return True
        middle = rows.num_rows // 2
        return self._write_table(table, rows.slice(0, middle), token + "0") and self._write_table(
            table, rows.slice(middle), token + "1"
        )

    def _insert(self, table: str, rows: pa.Table, token: str) -> None:
        start = self._clock()
        outcome = "retried"
        try:
            if self._client is None:
                self._client = self._connect()
            self._client.insert_arrow(
                table,
                rows,
                settings={
                    "insert_deduplication_token": token,
                    "max_partitions_per_insert_block": _PARTITIONS_MAX,
                },
            )
            outcome = "ok"
        except RejectedRowsError:
            outcome = "split"
            raise
        finally:
            self._on_insert(Insert(table, rows.num_rows, self._clock() - start, outcome))

    def _pause(self, seconds: float) -> bool:
        """Wait before another try; return True when the time to stop has come."""
        with self._changed:
            end = self._clock() + seconds
            while (left := end - self._clock()) > 0 and not self._past_deadline():
                self._changed.wait(left if self._deadline is None else min(left, 0.1))
            return self._past_deadline()

    def _past_deadline(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline


def _spans(block: list[Rows]) -> int:
    return sum(rows.spans for rows in block)
