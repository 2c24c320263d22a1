"""One question's way to the store: within limits, and stopped when nobody waits for the answer.

The embedded engine takes no query id from its client, so a question is known by its `log_comment`,
which a server and the engine both show in `system.processes`.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from clickhouse.client import typed_errors
from exporter.cancellation import Cancellation
from exporter.errors import CancelledError, ObservatoryError, OverloadedError, WrongQueryError

log = logging.getLogger(__name__)

_TIMEOUT_EXCEEDED = 159
_TOO_SLOW = 160
_MEMORY_LIMIT_EXCEEDED = 241
_CANCELLED = 394
_NO_PATTERN = 427
# ClickHouse's message goes on with advice for those who write SQL.
_PATTERN_ERROR = re.compile(r"error: ([^\n]*?)\. Look at")
_ARROW_SETTINGS = {"output_format_arrow_string_as_string": 1}
_TOO_MUCH = frozenset({_TIMEOUT_EXCEEDED, _TOO_SLOW, _MEMORY_LIMIT_EXCEEDED})
# A kill may come before the store knows the question: it is tried again, twice as long after.
_KILL_PAUSE_S, _KILL_PAUSE_MAX_S = 0.01, 1.0

Kill = Callable[[threading.Event], None]
"""Ends a question in the store; the event says that it has returned."""


def _no_kill(_returned: threading.Event) -> None:
    """Leave a question to its time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """What one question may take."""

    time_max_s: float = 30.0
    memory_max_bytes: int = 2 * 1024**3
    threads_max: int = 2


class Session:
    """Asks the store. One question at a time: it belongs to one thread."""

    def __init__(
        self,
        client: Client,
        limits: ReadLimits,
        cancellation: Cancellation,
        comment: str = "",
        kill: Kill = _no_kill,
    ) -> None:
        self._client = client
        self._cancellation = cancellation
        self._kill = kill
        self._settings = {
            "max_execution_time": limits.time_max_s,
            "max_memory_usage": limits.memory_max_bytes,
            "max_threads": limits.threads_max,
            "log_comment": comment,
        }
        self.failed = False
        """Whether a question failed: what the embedded engine had begun to answer may come next."""
        values = self._settings | _ARROW_SETTINGS
        self._clause = ", ".join(f"{name} = {_literal(value)}" for name, value in values.items())

    def table(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """Return the answer as columns; text of few words is dictionary-encoded.

        Raise WrongQueryError where it takes more than the limits allow, CancelledError,
        StoreUnavailableError.
        """
        with self._asking():
            # Given to the driver, the settings of a raw query of the embedded engine are statements
            # of their own before and after it, which take longer than most questions.
            answer = self._client.raw_query(
                f"{sql}\nSETTINGS {self._clause}", parameters=dict(parameters), fmt="Arrow"
            )
        return pa.ipc.open_file(answer).read_all()

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the answer as Python values: for answers of few rows."""
        with self._asking():
            # Here the driver makes a clause of the settings itself, and its own format costs less
            # than Arrow where there is little to read: 0.5 ms of 1.8.
            found = self._client.query(sql, parameters=dict(parameters), settings=self._settings)
        return found.result_rows

    @contextmanager
    def _asking(self) -> Generator[None]:
        returned = threading.Event()
        with self._cancellation.during(partial(self._kill, returned)):
            try:
                with _read_errors():
                    yield
            except BaseException:
                self.failed = True
                raise
            finally:
                returned.set()


class ReadPool:
    """So many clients for reading, each made when it is first needed. For several threads."""

    def __init__(
        self, connect: Callable[[], Client], *, size: int, wait_max_s: float, limits: ReadLimits
    ) -> None:
        self._connect = connect
        self._wait_max_s = wait_max_s
        self._limits = limits
        self._free: queue.LifoQueue[Client | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)

    @contextmanager
    def session(self, cancellation: Cancellation) -> Generator[Session]:
        """Lend a client; raise OverloadedError when none gets free in time, CancelledError."""
        cancellation.check()
        try:
            client = self._free.get(timeout=self._wait_max_s)
        except queue.Empty:
            raise OverloadedError("too many questions at once: ask again later") from None
        with self._lent(client, cancellation) as session:
            yield session

    @contextmanager
    def another(self, cancellation: Cancellation) -> Generator[Session | None]:
        """Lend one more client to who has one; None where none is free: nobody waits for two."""
        try:
            client = self._free.get_nowait()
        except queue.Empty:
            yield None
            return
        with self._lent(client, cancellation) as session:
            yield session

    @contextmanager
    def _lent(self, client: Client | None, cancellation: Cancellation) -> Generator[Session]:
        comment = f"llm-observatory {uuid.uuid4().hex}"
        session = None
        try:
            client = client or self._connect()
            kill = partial(self._kill, comment)
            session = Session(client, self._limits, cancellation, comment, kill)
            yield session
        finally:
            lent = None if session is not None and session.failed else client
            self._free.put(lent)
            if client is not None and lent is None:
                client.close()

    def _kill(self, comment: str, returned: threading.Event) -> None:
        """End a question; where that cannot be done, its own time limit ends it."""
        give_up_s = time.monotonic() + self._limits.time_max_s
        pause_s = _KILL_PAUSE_S
        while not returned.is_set():
            problem = self._kill_once(comment)
            if returned.wait(pause_s):
                return
            if time.monotonic() >= give_up_s:
                log.warning("a question could not be stopped", extra={"problem": problem})
                return
            pause_s = min(2 * pause_s, _KILL_PAUSE_MAX_S)

    def _kill_once(self, comment: str) -> str:
        """Kill what the store knows of a question; return what went wrong."""
        try:
            with typed_errors(), closing(self._connect()) as client:
                client.command(
                    "KILL QUERY WHERE Settings['log_comment'] = {comment:String} ASYNC",
                    parameters={"comment": comment},
                )
        except ObservatoryError as error:
            return str(error)
        return ""


@cache
def named_sql(name: str) -> str:
    """Return the text of a file below sql/."""
    return (resources.files("clickhouse") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@contextmanager
def _read_errors() -> Generator[None]:
    with typed_errors():
        try:
            yield
        except ClickHouseError as error:
            code = getattr(error, "code", None)
            if code == _CANCELLED:
                raise CancelledError("nobody waits for the answer any more") from error
            if code == _NO_PATTERN:
                raise WrongQueryError(f"not a pattern that RE2 reads: {_reason(error)}") from error
            if code in _TOO_MUCH:
                raise WrongQueryError(
                    "the answer takes too much time or memory: ask for a shorter time range "
                    "or fewer spans"
                ) from error
            raise


def _literal(value: float | str) -> str:
    """Return a value of ours as SQL; none of them has a quote."""
    return f"'{value}'" if isinstance(value, str) else str(value)


def _reason(error: ClickHouseError) -> str:
    found = _PATTERN_ERROR.search(str(error))
    return found[1] if found else "it is malformed"
