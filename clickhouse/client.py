"""Connect to ClickHouse: a server by http(s) URL, or the embedded engine by `chdb:PATH`.

Both answer the same client class and the same SQL. Errors of either are typed here, by what they
mean for the rows at hand.
"""

from __future__ import annotations

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from exporter.errors import ConfigurationError, RejectedRowsError, StoreUnavailableError

DEFAULT_DATABASE = "llm_observatory"
_EMBEDDED = "chdb"
_URL_FORM = (
    "write http(s)://user:password@host:port/database or chdb:PATH; in a password, "
    "characters like / # ? @ are written as %2F %23 %3F %40"
)

# ClickHouse codes that blame the rows themselves: the same rows fail again on any server. Every
# other code (no table, no right, no memory, too many parts ...) can be mended by a person or by
# time, so the rows are kept and sent again.
ROW_ERROR_CODES: frozenset[int] = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
    }
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where ClickHouse is. `path` is set for the embedded engine, `host` for a server."""

    database: str
    path: str | None = None
    host: str | None = None
    port: int = 8123
    secure: bool = False
    username: str = "default"
    password: str = ""

    def __repr__(self) -> str:
        """Show the address without the password."""
        if self.path is not None:
            return f"chdb:{self.path} (database {self.database})"
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{self.username}@{self.host}:{self.port}/{self.database}"


def parse_address(url: str, password: str | None = None) -> Address:
    """Read `http(s)://user:password@host:port/database` or `chdb:PATH`.

    `password` stands in for the one in the URL. Raise ConfigurationError that says what to write.
    """
    scheme, _, rest = url.partition(":")
    if scheme == _EMBEDDED:
        if not rest:
            raise ConfigurationError("clickhouse_url: chdb: needs a path, for example chdb:./data")
        return Address(DEFAULT_DATABASE, path=rest)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The parser's text quotes the URL, and with it the password.
        raise ConfigurationError(f"clickhouse_url: {_URL_FORM}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"clickhouse_url: {_URL_FORM}")
    secure = parts.scheme == "https"
    return Address(
        unquote(parts.path.strip("/")) or DEFAULT_DATABASE,
        host=parts.hostname,
        port=port or (8443 if secure else 8123),
        secure=secure,
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or "") if password is None else password,
    )


def claim(address: Address) -> IO[str] | None:
    """Claim the embedded engine's folder for this process; the file returned holds the claim.

    The engine itself would let two processes write to one folder. None for a server. Raise
    ConfigurationError when another process has the claim.
    """
    if address.path is None:
        return None
    path = Path(f"{address.path.rstrip('/')}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"clickhouse_url: {path}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ConfigurationError(
            f"clickhouse_url: {address.path} is used by another process: stop it, or use a server"
        ) from error
    return file


def connect(address: Address, *, timeout_s: float = 30.0, database: str | None = None) -> Client:
    """Return a new client. Each user of the store takes its own: a client serialises its calls.

    `database` stands in for the address's own, which may not exist yet.
    """
    target = address.database if database is None else database
    with typed_errors():
        if address.path is not None:
            return clickhouse_connect.get_client(
                interface=_EMBEDDED, path=address.path, database=target
            )
        return clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            interface="https" if address.secure else "http",
            username=address.username,
            password=address.password,
            database=target,
            connect_timeout=min(timeout_s, 10.0),
            send_receive_timeout=timeout_s,
            # One request at a time: no session whose lock could outlive a cut connection.
            autogenerate_session_id=False,
        )


class Writer:
    """The writing side of a client, with typed errors."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def insert_arrow(self, table: str, arrow_table: pa.Table, settings: dict[str, Any]) -> None:
        """Insert rows; raise RejectedRowsError or StoreUnavailableError."""
        with typed_errors():
            self._client.insert_arrow(table, arrow_table, settings=settings)


@contextmanager
def typed_errors() -> Generator[None]:
    """Raise what the driver raises as RejectedRowsError or StoreUnavailableError."""
    try:
        yield
    except ClickHouseError as error:
        code: Any = getattr(error, "code", None)
        name = getattr(error, "name", None) or type(error).__name__
        # The driver's own text may quote values of the rows, so only the code is passed on.
        message = f"ClickHouse: {name}" + (f" (code {code})" if code else "")
        if code in ROW_ERROR_CODES:
            raise RejectedRowsError(message) from error
        raise StoreUnavailableError(message) from error
    except (OSError, RuntimeError) as error:
        raise StoreUnavailableError(f"ClickHouse: {type(error).__name__}") from error
