"""Serve the embedded ClickHouse engine over ClickHouse's HTTP interface, as a separate process.

chdb hosts one engine path per process and has no server, but the store is used over HTTP. This
is the part of it that `clickhouse_connect` speaks, so its ordinary client works unchanged:

    with clickhouse_http_server(tmp_path / "engine", password="secret") as server:
        client = clickhouse_connect.get_client(**server.address)
        server.fail_next(252, times=2, match="INSERT")  # the next two inserts get TOO_MANY_PARTS

Where it differs from a server: a request body is read whole before the insert starts, an answer is
made whole before it is sent (so no error comes halfway through one), `async_insert` is accepted but
inserts at once, there is one user, and neither external tables nor the `compress=1` framing exist.
"""

import argparse
import base64
import email
import gzip
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection

CONTROL_PATH = "/__control"
BODY_BYTES_MAX = 512 * 1024 * 1024
SESSIONS_MAX = 256
STOP_TIMEOUT_S = 10

# ---- What a test uses ----


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickHouseServer:
    """A running server, and the faults that a test asks it for: each call replaces those before."""

    port: int
    username: str
    password: str
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> dict[str, Any]:
        """The arguments with which `clickhouse_connect.get_client` reaches this server."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "username": self.username,
            "password": self.password,
        }

    def control(self, rules: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Replace the fault rules (see `Faults`) unless given None; return those still unused."""
        body = None if rules is None else json.dumps(rules).encode()
        url = f"http://127.0.0.1:{self.port}{CONTROL_PATH}"
        with urllib.request.urlopen(url, data=body, timeout=STOP_TIMEOUT_S) as response:
            return json.load(response)

    def fail_next(
        self, code: int, *, times: int = 1, status: int | None = None, match: str = ""
    ) -> None:
        """Refuse the next requests whose SQL matches, without running them."""
        self.control({"fail": [{"code": code, "status": status, "match": match}] * times})

    def cut_next(self, *, times: int = 1, match: str = "") -> None:
        """Run the next requests whose SQL matches, then hang up instead of answering."""
        self.control({"cut_after_success": times, "match": match})

    def delay(self, seconds: float, *, match: str = "") -> None:
        """Wait before running any request whose SQL matches, until the rules are replaced."""
        self.control({"delay_s": seconds, "match": match})

    def kill(self) -> None:
        """End the server as a power cut would: nothing is flushed or closed."""
        self.process.kill()
        self.process.wait()


@contextmanager
def clickhouse_http_server(
    path: Path, username: str = "default", password: str = "", port: int = 0
) -> Iterator[ClickHouseServer]:
    """Run a server on `path` until the block ends; with a `port`, one comes back where it was."""
    options = ["--path", path, "--username", username, "--password", password, "--port", str(port)]
    # -P: no file next to this one may shadow a module of the standard library.
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TZ": "UTC"},  # The engine takes its time zone from the process.
    )
    with process:  # Closes both pipes; the server ends when its standard input does.
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the ClickHouse test server ended with {process.wait()}")
            yield ClickHouseServer(
                port=json.loads(line)["port"], username=username, password=password, process=process
            )
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()


# ---- Errors, as ClickHouse words them ----

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Server/HTTP/exceptionCodeToHTTPStatus.cpp
_CODES_BY_STATUS = {
    400: (
        *(6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72),
        *(117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676),
    ),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    415: (779,),
    501: (48,),
    503: (76, 209, 439),
}
_STATUS_BY_CODE = {code: status for status, codes in _CODES_BY_STATUS.items() for code in codes}

_ERROR_TEXT = re.compile(
    r"Code: (?P<code>\d+)\. (?P<text>.*?)(?:\s*\(version [^)]*\))?\s*\Z", re.DOTALL
)
_REPEATED_CODE = re.compile(r"^(?:DB::Exception: Code: \d+\. )+")


class ServerError(Exception):
    """A refusal with a ClickHouse exception code; `text` lacks only the code and the version."""

    def __init__(self, code: int, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status or _STATUS_BY_CODE.get(code, 500)

    @classmethod
    def from_engine(cls, error: RuntimeError) -> "ServerError":
        """Read the code out of an engine's message: chdb gives it nowhere else."""
        found = _ERROR_TEXT.search(str(error))
        if found is None:  # Said by chdb itself, about what it cannot do.
            return cls(48, f"DB::Exception: {error}. (NOT_IMPLEMENTED)")
        return cls(int(found["code"]), _REPEATED_CODE.sub("", found["text"]))


# ---- Statements ----

_QUOTED = rb"`(?:\\.|[^`\\])*`|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_QUOTED_OR_COMMENT = re.compile(_QUOTED + rb"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_SECOND_STATEMENT = re.compile(rb";\s*[^\s;]")
_RETURNS_ROWS = re.compile(rb"[\s(]*(SELECT|WITH|SHOW|DESC|EXISTS|EXPLAIN|CHECK)", re.IGNORECASE)
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)(?:\s+SETTINGS\b[^;]*)?[\s;]*\Z", re.IGNORECASE)
# Words outside quotes: an insert's inline rows (VALUES) are not searched for a FORMAT.
_UNTIL_KEYWORD = rb"(?:" + _QUOTED + rb"|(?!\b(?:VALUES|SELECT|WITH|SETTINGS|FORMAT)\b)[^`\"'])+"
_INSERT_WITH_BODY = re.compile(
    rb"(?P<target>\s*INSERT\s+INTO\s" + _UNTIL_KEYWORD + rb")"
    rb"(?P<clauses>(?:\bSETTINGS\b" + _UNTIL_KEYWORD + rb")?\bFORMAT\s+\w+)[ \t\f]*\r?\n?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement; an insert's rows are kept apart from its SQL, for they may be any bytes."""

    sql: bytes
    rows: bytes | None = None
    rows_clauses: bytes = b""  # What stands between an insert's target and its rows.
    result_format: str | None = None  # None: the statement returns no rows.

    @classmethod
    def parse(cls, text: bytes, default_format: str) -> "Statement":
        """Split what a request carries; refuse a script, which the engine alone would run."""
        if insert := _INSERT_WITH_BODY.match(text):
            rows = text[insert.end() :]
            return cls(sql=insert["target"], rows=rows, rows_clauses=insert["clauses"])
        bare = _QUOTED_OR_COMMENT.sub(b" ", text)
        if not bare.strip():
            raise ServerError(62, "DB::Exception: Syntax error: Empty query. (SYNTAX_ERROR)")
        if _SECOND_STATEMENT.search(bare):
            raise ServerError(
                62,
                "DB::Exception: Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)",
            )
        if not _RETURNS_ROWS.match(bare):
            return cls(sql=text)
        named = _FORMAT.search(bare)
        return cls(sql=text, result_format=named[1].decode() if named else default_format)

    @contextmanager
    def runnable(self) -> Iterator[bytes]:
        """Yield the SQL as the engine takes it: rows of every format can only come from a file.

        Not chdb's `send_insert`, which reports success when the table refuses the rows (chdb-core
        26.9: a violated constraint, a failing view, too many partitions).
        """
        if self.rows is None:
            yield self.sql
            return
        with tempfile.NamedTemporaryFile(suffix=".rows") as file:
            file.write(self.rows)
            file.flush()
            infile = f" FROM INFILE {_quote(file.name)} ".encode()
            yield self.sql + infile + self.rows_clauses


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


# ---- The engine ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A connection to the engine: it holds one session's settings and temporary tables."""

    connection: "Connection"
    lock: threading.Lock = field(default_factory=threading.Lock)


class Engine:
    """Run statements, each on its session's connection, or on a new one if it has no session."""

    def __init__(self, connect: "Callable[[], Connection]") -> None:
        self._connect = connect
        self._first = self._open()  # Keeps the engine open between requests.
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._sessions_lock = threading.Lock()
        self.version, self.timezone = self.ask("SELECT version(), timezone()")

    def ask(self, sql: str) -> list[str]:
        """Return the only row of a query."""
        connection = self._open()
        try:
            return str(connection.query(sql, "TabSeparated")).strip().split("\t")
        finally:
            connection.close()

    def run(
        self,
        statement: Statement,
        *,
        settings: Mapping[str, str],
        params: Mapping[str, str],
        database: str | None,
        session_id: str | None,
    ) -> tuple[bytes, dict[str, str]]:
        """Return the answer's bytes and its summary."""
        try:
            with (
                self._session(session_id) as connection,
                _applied(connection, settings, database),
            ):
                return _run(connection, statement, params)
        except RuntimeError as error:
            raise ServerError.from_engine(error) from error

    def close(self) -> None:
        for session in self._sessions.values():
            session.connection.close()
        self._first.close()

    def _open(self) -> "Connection":
        connection = self._connect()
        # chdb starts as clickhouse-local does, a server does not: there, `1` is not a query.
        connection.query("SET implicit_select = 0, allow_introspection_functions = 0")
        return connection

    @contextmanager
    def _session(self, session_id: str | None) -> "Iterator[Connection]":
        if session_id is None:
            connection = self._open()
            try:
                yield connection
            finally:
                connection.close()
            return
        session = self._find_session(session_id)
        if not session.lock.acquire(blocking=False):
            raise ServerError(
                373,
                f"DB::Exception: Session {session_id} is locked by a concurrent client."
                " (SESSION_IS_LOCKED)",
            )
        try:
            yield session.connection
        finally:
            session.lock.release()

    def _find_session(self, session_id: str) -> Session:
        with self._sessions_lock:
            if session_id not in self._sessions:
                self._sessions[session_id] = Session(connection=self._open())
            self._sessions.move_to_end(session_id)
            if len(self._sessions) > SESSIONS_MAX:
                _, oldest = self._sessions.popitem(last=False)
                with oldest.lock:
                    oldest.connection.close()
            return self._sessions[session_id]


@contextmanager
def _applied(
    connection: "Connection", settings: Mapping[str, str], database: str | None
) -> Iterator[None]:
    """Apply what a request sets for its duration only: a session's own values outlive it."""
    if invalid := [name for name in settings if not re.fullmatch(r"\w+", name)]:
        raise ServerError(115, f"DB::Exception: Unknown setting '{invalid[0]}'. (UNKNOWN_SETTING)")
    names = ", ".join(map(_quote, ["", *settings]))
    changed = f"SELECT name, value FROM system.settings WHERE changed AND name IN ({names})"
    rows = connection.query(changed, "JSONCompactEachRow").bytes().splitlines()
    before = {name: _quote(value) for name, value in map(json.loads, rows)}
    session_database = str(connection.query("SELECT currentDatabase()", "TabSeparatedRaw")).strip()
    if settings:  # One SET: it applies all of them or, if one is unknown, none.
        _set(connection, {name: _quote(value) for name, value in settings.items()})
    try:
        if database is not None:
            connection.query(f"USE {_identifier(database)}")
        yield
    finally:
        if database is not None:
            connection.query(f"USE {_identifier(session_database)}")
        if settings:
            _set(connection, {name: before.get(name, "DEFAULT") for name in settings})


def _set(connection: "Connection", literals: Mapping[str, str]) -> None:
    connection.query("SET " + ", ".join(f"{name} = {text}" for name, text in literals.items()))


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _run(
    connection: "Connection", statement: Statement, params: Mapping[str, str]
) -> tuple[bytes, dict[str, str]]:
    started_ns = time.perf_counter_ns()
    with statement.runnable() as sql:
        result = connection.query(
            sql, statement.result_format or "TabSeparated", params=dict(params)
        )
    summary = {
        "read_rows": result.rows_read(),
        "read_bytes": result.bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "elapsed_ns": time.perf_counter_ns() - started_ns,
    }
    return result.bytes(), {name: str(value) for name, value in summary.items()}


# ---- Faults ----


class Faults:
    """What the next requests shall suffer, as the control endpoint last said.

    {"fail": [{"code": 241, "status": 500, "message": "...", "match": "^INSERT"}, ...],
     "cut_after_success": 1, "delay_s": 0.5, "match": "^INSERT"}

    Each is optional. `match` is a regular expression over the SQL: a failure has its own, the cuts
    and the delay share one. A status left out is the one that ClickHouse gives to the code.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.replace({})

    def replace(self, rules: Mapping[str, Any]) -> None:
        known = {"fail", "cut_after_success", "delay_s", "match"}
        if unknown := sorted(set(rules) - known):
            raise ValueError(f"unknown fault rules: {', '.join(unknown)}")
        with self._lock:
            self._fail: list[dict[str, Any]] = list(rules.get("fail", []))
            self._cut_after_success = int(rules.get("cut_after_success", 0))
            self._delay_s = float(rules.get("delay_s", 0))
            self._match = str(rules.get("match", ""))

    def unused(self) -> dict[str, Any]:
        with self._lock:
            return {"fail": self._fail, "cut_after_success": self._cut_after_success}

    def before(self, sql: str) -> dict[str, Any] | None:
        """Wait if told to; return the failure that is this request's, if there is one."""
        if self._delay_s and _matches(self._match, sql):
            time.sleep(self._delay_s)
        with self._lock:
            for index, failure in enumerate(self._fail):
                if _matches(failure.get("match", ""), sql):
                    return self._fail.pop(index)
        return None

    def cuts(self, sql: str) -> bool:
        """Tell whether this request, which succeeded, gets no answer."""
        with self._lock:
            if not self._cut_after_success or not _matches(self._match, sql):
                return False
            self._cut_after_success -= 1
            return True


def _matches(pattern: str, sql: str) -> bool:
    return re.search(pattern, sql, re.IGNORECASE) is not None


# ---- HTTP ----

# Parameters of the interface itself: every other one is a setting, and the engine judges it.
_NOT_SETTINGS = frozenset(
    {
        "query",
        "database",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "user",
        "password",
        "role",
        "buffer_size",
        "wait_end_of_query",
        "client_protocol_version",
        "default_format",
        "stacktrace",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "compress",
        "decompress",
    }
)


def _lz4_decompress(body: bytes) -> bytes:
    # Not lz4.frame.decompress: the client sends a frame per block, and that stops after the first.
    with lz4.frame.LZ4FrameFile(io.BytesIO(body)) as frames:
        return frames.read()


# In the order in which an answer's encoding is picked from what the client accepts.
_CODECS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "lz4": (lz4.frame.compress, _lz4_decompress),
    "zstd": (zstd.compress, zstd.decompress),
    "gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
}


def _utf8(header: str | None) -> str:
    return (header or "").encode("latin-1").decode(errors="replace")  # http.server reads Latin-1.


class Server(ThreadingHTTPServer):
    """The listening socket, and what its requests share."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, engine: Engine, credentials: tuple[str, str]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.engine = engine
        self.credentials = credentials
        self.faults = Faults()


class Handler(BaseHTTPRequestHandler):
    """One connection's requests."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # Head and body leave together.

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a test that fails says what it needs."""

    def _route(self) -> None:
        url = urlsplit(self.path)
        try:
            body = self._read_body()  # Always whole: the connection carries the next request too.
            if url.path == CONTROL_PATH:
                self._control(body)
            elif url.path == "/ping" or (url.path == "/" and not url.query and not body):
                self._answer(200, b"Ok.\n")
            elif url.path == "/":
                self._execute(dict(parse_qsl(url.query, keep_blank_values=True)), body)
            else:
                self._answer(404, f"There is no handle {url.path}\n".encode())
        except ServerError as error:
            text = f"Code: {error.code}. {error.text} (version {self.server.engine.version})\n"
            headers = {"X-ClickHouse-Exception-Code": str(error.code)}
            self._answer(error.status, text.encode(), headers)
        except ConnectionError:  # Nobody is left to answer.
            self.close_connection = True

    def _control(self, body: bytes) -> None:
        if body:
            try:
                self.server.faults.replace(json.loads(body))
            except (TypeError, ValueError) as error:
                self._answer(400, f"{error}\n".encode())
                return
        self._answer(200, json.dumps(self.server.faults.unused()).encode())

    def _execute(self, url_params: dict[str, str], body: bytes) -> None:
        self._authenticate(url_params)
        params, text = self._query_text(url_params, body)
        default_format = params.get("default_format") or self.headers.get("X-ClickHouse-Format")
        statement = Statement.parse(text, default_format or "TabSeparated")
        if self.command == "GET" and statement.result_format is None:
            raise ServerError(
                164,
                "DB::Exception: Cannot execute query in readonly mode. For queries over HTTP,"
                " method GET implies readonly. (READONLY)",
            )
        sql = statement.sql.decode(errors="replace")
        self._fail_if_told(sql)
        answer, summary = self.server.engine.run(
            statement,
            settings={
                k: v
                for k, v in params.items()
                if k not in _NOT_SETTINGS and not k.startswith("param_")
            },
            params={
                k.removeprefix("param_"): v for k, v in params.items() if k.startswith("param_")
            },
            database=params.get("database") or self.headers.get("X-ClickHouse-Database"),
            session_id=params.get("session_id"),
        )
        if self.server.faults.cuts(sql):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._answer_rows(params, statement, answer, summary)

    def _fail_if_told(self, sql: str) -> None:
        failure = self.server.faults.before(sql)
        if failure is None:
            return
        code = int(failure["code"])
        (name,) = self.server.engine.ask(f"SELECT errorCodeToName({code})")
        text = failure.get("message") or "Asked for by a test"
        raise ServerError(code, f"DB::Exception: {text}. ({name})", failure.get("status"))

    def _authenticate(self, params: Mapping[str, str]) -> None:
        user, password = params.get("user", "default"), params.get("password", "")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, password = base64.b64decode(token).decode().partition(":")
        user = _utf8(self.headers.get("X-ClickHouse-User")) or user
        password = _utf8(self.headers.get("X-ClickHouse-Key")) or password
        if (user, password) != self.server.credentials:
            raise ServerError(
                516,
                f"DB::Exception: {user}: Authentication failed: password is incorrect, or there is"
                " no user with such name. (AUTHENTICATION_FAILED)",
            )

    def _query_text(
        self, url_params: Mapping[str, str], body: bytes
    ) -> tuple[dict[str, str], bytes]:
        """Return all parameters, and the SQL with what follows it: the URL's, then the body's."""
        params = dict(url_params)
        if self.headers.get_content_type() == "multipart/form-data":
            params |= self._form_fields(body)
            body = b""
        if params.get("compress") == "1" or params.get("decompress") == "1":
            raise ServerError(48, "DB::Exception: No native framing here. (NOT_IMPLEMENTED)")
        in_url = params.get("query", "").encode()
        return params, in_url + b"\n" + body if in_url and body else in_url or body

    def _form_fields(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        fields: dict[str, str] = {}
        for part in email.message_from_bytes(head + body).walk():
            name = part.get_param("name", header="content-disposition")
            if part.get_filename() is not None:
                raise ServerError(48, "DB::Exception: No external tables here. (NOT_IMPLEMENTED)")
            if isinstance(name, str):
                value = part.get_payload(decode=True)
                assert isinstance(value, bytes)
                fields[name] = value.decode()
        return fields

    def _read_body(self) -> bytes:
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        body = self._read_chunks() if chunked else self._read_length()
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "identity":
            return body
        if encoding not in _CODECS:
            raise ServerError(
                48, f"DB::Exception: Unknown compression method {encoding}. (NOT_IMPLEMENTED)"
            )
        try:
            return _CODECS[encoding][1](body)
        except (EOFError, OSError, RuntimeError, zlib.error, zstd.ZstdError) as error:
            raise ServerError(
                271, f"DB::Exception: {encoding} body: {error}. (CANNOT_DECOMPRESS)"
            ) from error

    def _read_length(self) -> bytes:
        size = int(self.headers.get("Content-Length", 0))
        self._check_body_size(size)
        return self._read_exactly(size)

    def _read_exactly(self, size: int) -> bytes:
        if len(part := self.rfile.read(size)) < size:
            raise ConnectionAbortedError("the client left in the middle of its body")
        return part

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"-1", 16):
            self._check_body_size(len(body) + size)
            body += self._read_exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # Trailers.
            pass
        return bytes(body)

    def _check_body_size(self, size: int) -> None:
        if size < 0:
            raise ConnectionAbortedError("the client left in the middle of its body")
        if size > BODY_BYTES_MAX:
            self.close_connection = True
            raise ServerError(229, "DB::Exception: The body is too large. (QUERY_IS_TOO_LARGE)")

    def _answer_rows(
        self,
        params: Mapping[str, str],
        statement: Statement,
        answer: bytes,
        summary: Mapping[str, str],
    ) -> None:
        headers = {
            "X-ClickHouse-Summary": json.dumps(summary),
            "X-ClickHouse-Query-Id": params.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": self.server.engine.timezone,
            "X-ClickHouse-Server-Display-Name": "tests",
        }
        if statement.result_format is not None:
            headers["X-ClickHouse-Format"] = statement.result_format
        if params.get("enable_http_compression") == "1":
            offered = re.split(r"\s*,\s*", self.headers.get("Accept-Encoding", ""))
            if encoding := next((name for name in _CODECS if name in offered), None):
                answer = _CODECS[encoding][0](answer)
                headers["Content-Encoding"] = encoding
        self._answer(200, answer, headers)

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until standard input ends, so that no server outlives the tests that started it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--path", required=True)
    parser.add_argument("--username", default="default")
    parser.add_argument("--password", default="")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    import chdb  # noqa: PLC0415  # The tests' own process must not load an engine for this.

    engine = Engine(lambda: chdb.connect(options.path))
    with Server(options.port, engine, (options.username, options.password)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps({"port": server.server_port}), flush=True)
        sys.stdin.read()
        server.shutdown()
    engine.close()


if __name__ == "__main__":
    main()
