"""The store: large inserts, each exactly once, none lost while the process lives."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from clickhouse.client import (
    ROW_ERROR_CODES,
    Address,
    Writer,
    connect,
    parse_address,
    typed_errors,
)
from clickhouse.migrate import Retention, migrate
from clickhouse.store import Insert, Store, StoreLimits
from exporter.errors import ConfigurationError, RejectedRowsError, StoreUnavailableError
from exporter.spans.rows import Rows, rows
from tests.support.clickhouse_http import ClickHouseServer, clickhouse_http_server
from tests.support.prometheus import wait_until
from tests.support.service import store_url
from tests.unit.pipeline import chat, price

RETENTION = Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
CALL = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
WAIT_S = 20.0
INSERT_SPANS = "^ *INSERT INTO.*otel_traces"


def some_rows(count: int = 1, *, first: int = 1, name: str = "span", **attributes: Any) -> Rows:
    spans = [
        chat({**CALL, **attributes}, number=number, name=name)
        for number in range(first, first + count)
    ]
    return rows(price(*spans))


def limits(**changes: Any) -> StoreLimits:
    """Return limits that write at once, unless a test says otherwise."""
    defaults = {
        "max_rows": 1,
        "max_age_s": 3600.0,
        "buffer_max_bytes": 1 << 30,
        "retry_max_s": 0.2,
    }
    return StoreLimits(**(defaults | changes))


class Inserts(list[Insert]):
    """What became of each insert."""

    def outcomes(self, table: str = "otel_traces") -> list[tuple[str, int]]:
        return [(insert.outcome, insert.rows) for insert in self if insert.table == table]


@pytest.fixture
def database(clickhouse: ClickHouseServer) -> Iterator[Address]:
    """A database of the test's own."""
    clickhouse.control({})
    name = f"d{threading.get_ident()}_{len(_databases)}"
    _databases.append(name)
    address = parse_address(store_url(clickhouse, name))
    migrate(address, RETENTION)
    yield address
    clickhouse.control({})
    with closing(connect(address)) as client:
        client.command(f"DROP DATABASE {name}")


_databases: list[str] = []


@contextmanager
def store(address: Address, **changes: Any) -> Iterator[tuple[Store, Inserts]]:
    inserts = Inserts()
    running = Store(lambda: Writer(connect(address)), limits(**changes), inserts.append)
    running.start()
    try:
        yield running, inserts
    finally:
        running.close(0.1)


def emptied(running: Store) -> None:
    wait_until(lambda: running.waiting == (0, 0), WAIT_S, lambda: f"{running.waiting} wait")


def query(address: Address, sql: str) -> Any:
    with closing(connect(address)) as client:
        return client.query(sql).result_rows


def spans_in(address: Address) -> int:
    return query(address, "SELECT count() FROM otel_traces")[0][0]


# When rows are written ----------------------------------------------------------------------


class FakeInserter:
    """Keeps what it is given; a test can hold it up, or have it fail."""

    def __init__(self) -> None:
        self.inserted: list[tuple[str, int, str]] = []
        self.errors: list[Exception] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def insert_arrow(self, table: str, arrow_table: pa.Table, settings: dict[str, Any]) -> None:
        self.entered.set()
        assert self.open.wait(WAIT_S)
        if self.errors:
            raise self.errors.pop(0)
        token = settings["insert_deduplication_token"]
        self.inserted.append((table, arrow_table.num_rows, token))

    def sizes(self) -> list[int]:
        return [size for table, size, _ in self.inserted if table == "otel_traces"]


@contextmanager
def fake_store(
    clock: Callable[[], float] = lambda: 0.0, **changes: Any
) -> Iterator[tuple[Store, FakeInserter, Inserts]]:
    inserter, inserts = FakeInserter(), Inserts()
    running = Store(lambda: inserter, limits(**changes), inserts.append, clock)
    running.start()
    yield running, inserter, inserts


def test_rows_are_written_when_there_are_enough():
    with fake_store(max_rows=5) as (running, inserter, inserts):
        running.write(some_rows(2))
        running.write(some_rows(2))
        assert running.waiting[0] == 4
        assert not inserter.inserted
        running.write(some_rows(1))
        emptied(running)
        assert inserter.sizes() == [5]
        assert inserts.outcomes() == [("ok", 5)]


def test_rows_are_written_when_the_oldest_is_old_enough():
    now = 100.0
    with fake_store(clock=lambda: now, max_rows=1000, max_age_s=2.0) as (running, inserter, _):
        running.write(some_rows(1))
        now = 101.9
        running.write(some_rows(1))
        assert not inserter.inserted
        now = 102.0
        # Any rows wake the thread; these may come too late for the insert, and then wait anew.
        running.write(some_rows(1))
        wait_until(lambda: bool(inserter.sizes()), WAIT_S, lambda: f"{running.waiting} wait")
        assert inserter.sizes()[0] in {2, 3}
        assert sum(inserter.sizes()) + running.waiting[0] == 3


def test_rows_are_written_in_the_real_time_too():
    inserter = FakeInserter()
    running = Store(lambda: inserter, limits(max_rows=1000, max_age_s=0.01), Inserts().append)
    running.start()
    running.write(some_rows(1))
    emptied(running)
    assert inserter.sizes() == [1]
    assert running.close(1.0)


def test_a_full_buffer_holds_up_the_writer_until_there_is_room():
    one = some_rows(1)
    with fake_store(buffer_max_bytes=one.size_bytes * 2) as (running, inserter, _):
        inserter.open.clear()
        running.write(one)
        assert inserter.entered.wait(WAIT_S)
        running.write(one)
        writer = threading.Thread(target=running.write, args=(one,))
        writer.start()
        writer.join(0.05)
        assert writer.is_alive()
        assert running.waiting == (2, one.size_bytes * 2)
        inserter.open.set()
        writer.join(WAIT_S)
        assert not writer.is_alive()
        emptied(running)
        assert sum(inserter.sizes()) == 3


def test_rows_larger_than_the_buffer_fit_when_it_is_empty():
    with fake_store(buffer_max_bytes=1) as (running, inserter, _):
        running.write(some_rows(3))
        emptied(running)
        assert inserter.sizes() == [3]


def test_closing_writes_what_is_there():
    with fake_store(max_rows=1000) as (running, inserter, _):
        running.write(some_rows(3))
        assert running.close(5.0)
        assert inserter.sizes() == [3]


def test_closing_says_what_could_not_be_written():
    inserts, inserter = Inserts(), FakeInserter()
    inserter.errors = [StoreUnavailableError("away")] * 1000
    running = Store(lambda: inserter, limits(), inserts.append)
    running.start()
    running.write(some_rows(3))
    assert not running.close(0.05)
    assert inserts.outcomes()[-1] == ("lost", 3)
    assert {outcome for outcome, _ in inserts.outcomes()} == {"retried", "lost"}


def test_closing_releases_a_writer_that_is_held_up():
    inserter, inserts = FakeInserter(), Inserts()
    inserter.errors = [StoreUnavailableError("away")] * 1000
    running = Store(lambda: inserter, limits(buffer_max_bytes=1), inserts.append)
    running.start()
    running.write(some_rows(1))
    writer = threading.Thread(target=running.write, args=(some_rows(1),))
    writer.start()
    assert not running.close(0.05)
    writer.join(WAIT_S)
    assert not writer.is_alive()


def test_a_store_that_was_never_started_can_be_closed():
    running = Store(FakeInserter, limits(), Inserts().append)
    assert running.close(0.1)


@pytest.mark.parametrize(
    "error",
    [ConfigurationError("the database is of a newer version"), ValueError("no Arrow of ours")],
)
def test_an_error_that_nobody_foresaw_does_not_end_the_writing(error: Exception):
    with fake_store(clock=time.monotonic) as (running, inserter, inserts):
        inserter.errors = [error]
        running.write(some_rows(1))
        wait_until(lambda: bool(inserts), WAIT_S, lambda: "nothing was tried")
        running.write(some_rows(1))
        wait_until(lambda: len(inserts) > 1, 3.0, lambda: f"no more inserts after {error!r}")


def test_a_retry_has_the_token_of_the_first_try():
    seen: list[str] = []

    class Recorder(FakeInserter):
        def insert_arrow(self, table: str, arrow_table: pa.Table, settings: dict[str, Any]) -> None:
            seen.append(settings["insert_deduplication_token"])
            super().insert_arrow(table, arrow_table, settings)

    inserter = Recorder()
    inserter.errors = [StoreUnavailableError("busy")] * 2
    running = Store(lambda: inserter, limits(), Inserts().append)
    running.start()
    running.write(some_rows(1))
    emptied(running)
    running.write(some_rows(1))
    emptied(running)
    assert seen[0] == seen[1] == seen[2]
    assert seen[3] != seen[0]
    assert running.close(1.0)


# Against ClickHouse -------------------------------------------------------------------------


@pytest.mark.parametrize("code", [252, 241, 202, 159, 210, 60, 497, 243, 999])
def test_a_passing_failure_is_tried_again_and_stored_once(
    clickhouse: ClickHouseServer, database: Address, code: int
):
    clickhouse.fail_next(code, times=2, match=INSERT_SPANS)
    with store(database) as (running, inserts):
        running.write(some_rows(3))
        emptied(running)
    assert inserts.outcomes() == [("retried", 3), ("retried", 3), ("ok", 3)]
    assert spans_in(database) == 3


def test_an_insert_whose_answer_was_lost_is_stored_once(
    clickhouse: ClickHouseServer, database: Address
):
    clickhouse.cut_next(times=2, match=INSERT_SPANS)
    with store(database) as (running, inserts):
        running.write(some_rows(3))
        emptied(running)
    assert ("ok", 3) in inserts.outcomes()
    assert clickhouse.control()["cut_after_success"] == 0
    assert spans_in(database) == 3
    requests = "SELECT sum(Requests), sum(TokensInput) FROM llm_usage_1m"
    assert query(database, requests) == [(3, 300)]
    assert query(database, requests.replace("1m", "1h")) == [(3, 300)]


def test_content_whose_answer_was_lost_is_stored_once(
    clickhouse: ClickHouseServer, database: Address
):
    clickhouse.cut_next(times=1, match="^ *INSERT INTO.*llm_content")
    with store(database) as (running, _):
        running.write(some_rows(2, **{"gen_ai.input.messages": "hello"}))
        emptied(running)
    assert spans_in(database) == 2
    assert query(database, "SELECT count() FROM llm_content") == [(2,)]


@pytest.mark.parametrize("bad", [0, 3, 6], ids=["first", "middle", "last"])
def test_only_the_row_that_is_refused_is_lost(database: Address, bad: int):
    with closing(connect(database)) as client:
        client.command("ALTER TABLE otel_traces ADD CONSTRAINT c CHECK SpanName != 'bad'")
    with store(database, max_rows=7) as (running, inserts):
        for number in range(7):
            name = "bad" if number == bad else "good"
            running.write(some_rows(first=number + 1, name=name))
        emptied(running)
    names = query(database, "SELECT SpanName, count() FROM otel_traces GROUP BY SpanName")
    assert names == [("good", 6)]
    assert query(database, "SELECT sum(Requests) FROM llm_usage_1m") == [(6,)]
    outcomes = inserts.outcomes()
    assert outcomes.count(("rejected", 1)) == 1
    assert sum(size for outcome, size in outcomes if outcome == "ok") == 6


def test_what_is_refused_is_logged_without_its_content(
    database: Address, caplog: pytest.LogCaptureFixture
):
    with closing(connect(database)) as client:
        client.command("ALTER TABLE llm_content ADD CONSTRAINT c CHECK Input != 'my secret prompt'")
    with store(database) as (running, inserts):
        running.write(some_rows(**{"gen_ai.input.messages": "my secret prompt"}))
        emptied(running)
    assert inserts.outcomes("llm_content")[-1] == ("rejected", 1)
    lines = [str(vars(record)) for record in caplog.records]
    assert any("row refused for good" in line for line in lines)
    assert not any("secret" in line for line in lines)


def test_a_view_that_failed_gets_its_rows_by_the_retry(database: Address):
    """The spans may be there already when a view fails: a repeat must not skip the view."""
    with closing(connect(database)) as client:
        client.command("RENAME TABLE llm_usage_1h TO away")
        with store(database) as (running, inserts):
            running.write(some_rows(3))
            wait_until(lambda: bool(inserts), WAIT_S, lambda: "nothing was tried")
            assert inserts[0].outcome == "retried"
            client.command("RENAME TABLE away TO llm_usage_1h")
            emptied(running)
    assert spans_in(database) == 3
    assert query(database, "SELECT sum(Requests) FROM llm_usage_1m") == [(3,)]
    assert query(database, "SELECT sum(Requests) FROM llm_usage_1h") == [(3,)]
    assert query(database, "SELECT count() FROM otel_traces_trace_id_ts") == [(1,)]


def test_a_server_that_comes_later_gets_everything(tmp_path: Path):
    with clickhouse_http_server(tmp_path / "engine") as server:
        port, address = server.port, parse_address(store_url(server))
    inserts = Inserts()

    def writer() -> Writer:
        migrate(address, RETENTION)
        return Writer(connect(address))

    running = Store(writer, limits(), inserts.append)
    running.start()
    running.write(some_rows(3))
    wait_until(lambda: bool(inserts), WAIT_S, lambda: "nothing was tried")
    assert set(inserts.outcomes()) == {("retried", 3)}
    with clickhouse_http_server(tmp_path / "engine", port=port):
        emptied(running)
        assert spans_in(address) == 3
        assert running.close(1.0)


def test_a_server_that_goes_and_comes_back_has_each_row_once(tmp_path: Path):
    with clickhouse_http_server(tmp_path / "engine") as server:
        port, address = server.port, parse_address(store_url(server))
        migrate(address, RETENTION)
        inserts = Inserts()
        running = Store(lambda: Writer(connect(address)), limits(), inserts.append)
        running.start()
        running.write(some_rows(1, first=1))
        emptied(running)
        server.cut_next(match=INSERT_SPANS)
        running.write(some_rows(1, first=2))
        server.kill()
    running.write(some_rows(1, first=3))
    with clickhouse_http_server(tmp_path / "engine", port=port):
        emptied(running)
        ids = query(address, "SELECT SpanId FROM otel_traces ORDER BY SpanId")
        assert ids == [(f"{number:016x}",) for number in (1, 2, 3)]
        assert running.close(1.0)


# Addresses and errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("chdb:./data", Address("llm_observatory", path="./data")),
        ("chdb:/a b/c", Address("llm_observatory", path="/a b/c")),
        ("http://h", Address("llm_observatory", host="h")),
        ("http://h:81/db", Address("db", host="h", port=81)),
        ("https://h/db/", Address("db", host="h", port=8443, secure=True)),
        ("https://h:443", Address("llm_observatory", host="h", port=443, secure=True)),
        ("http://u@h", Address("llm_observatory", host="h", username="u")),
        ("http://u:p@h", Address("llm_observatory", host="h", username="u", password="p")),
        (
            "http://u%40x:p%2Fq%3A@h/d%20b",
            Address("d b", host="h", username="u@x", password="p/q:"),
        ),
        ("http://[::1]:8123/db", Address("db", host="::1")),
    ],
)
def test_an_address_is_read(url: str, address: Address):
    # The fields: two addresses that are equal may be shown alike.
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("chdb:", "clickhouse_url: chdb: needs a path, for example chdb:./data"),
        ("", "write http(s)://user:password@host:port/database or chdb:PATH"),
        ("localhost:8123", "write http(s)://user:password@host:port/database or chdb:PATH"),
        ("clickhouse://h", "write http(s)://user:password@host:port/database or chdb:PATH"),
        ("http://", "write http(s)://user:password@host:port/database or chdb:PATH"),
        ("http://h:99999", "clickhouse_url: write http(s)://user"),
    ],
)
def test_a_wrong_address_says_what_to_write(url: str, message: str):
    with pytest.raises(ConfigurationError) as error:
        parse_address(url)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hunter2@h:port/db",
        "http://u:hunter2/x@h:8123/db",
        "http://u:hunter2#x@h:8123/db",
        "http://u:hunter2?x@h:8123/db",
        "http://u:hunter2[x@h:8123/db",
        "ftp://u:hunter2@h",
    ],
)
def test_a_wrong_address_does_not_show_its_password(url: str):
    with pytest.raises(ConfigurationError) as error:
        parse_address(url)
    assert "hunter2" not in str(error.value)


def test_the_password_given_apart_wins():
    assert parse_address("http://u:a@h", "b").password == "b"
    assert parse_address("http://u:a@h", "").password == ""
    assert parse_address("http://u:a@h", None).password == "a"


@pytest.mark.parametrize("show", [repr, str, lambda address: f"{address}"])
def test_an_address_does_not_show_its_password(show: Callable[[Address], str]):
    assert "hunter2" not in show(parse_address("http://u:hunter2@h"))


def test_a_refused_login_does_not_show_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with clickhouse_http_server(tmp_path / "engine", password="right") as server:
        address = parse_address(store_url(server), "hunter2")
        with pytest.raises(StoreUnavailableError) as error:
            connect(address)
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in caplog.text
    assert "AUTHENTICATION_FAILED" in str(error.value) or "516" in str(error.value)


class CodedError(DatabaseError):
    """An error of the driver with a code, as it makes them."""

    def __init__(self, code: int | None) -> None:
        super().__init__("VALUE 'my secret prompt'")
        self.code = code
        self.name = "NAME"


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        *((CodedError(code), RejectedRowsError) for code in sorted(ROW_ERROR_CODES)),
        *((CodedError(code), StoreUnavailableError) for code in (252, 241, 60, 16, 62, 516, 999)),
        (CodedError(None), StoreUnavailableError),
        (OperationalError("my secret prompt"), StoreUnavailableError),
        (ConnectionResetError("my secret prompt"), StoreUnavailableError),
        (TimeoutError(), StoreUnavailableError),
        (RuntimeError("Code: 60. my secret prompt"), StoreUnavailableError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or f"{type(value).__name__}",
)
def test_a_foreign_error_is_typed_by_what_it_means(raised: Exception, expected: type[Exception]):
    with pytest.raises(expected) as error, typed_errors():
        raise raised
    assert error.value.__cause__ is raised
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("code", sorted(ROW_ERROR_CODES))
def test_the_driver_tells_the_code_of_a_refusal(
    clickhouse: ClickHouseServer, database: Address, code: int
):
    clickhouse.fail_next(code, match="INSERT")
    table = pa.Table.from_batches([some_rows().tables["otel_traces"]])
    with closing(connect(database)) as client, pytest.raises(RejectedRowsError, match=str(code)):
        Writer(client).insert_arrow("otel_traces", table, {})
