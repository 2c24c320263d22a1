"""The test server behaves as ClickHouse does, as far as clickhouse-connect can see."""

import datetime as dt
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from tests.support.clickhouse_http import ClickHouseServer, clickhouse_http_server

TABLE = """
CREATE TABLE {name:Identifier} (
    Id UInt64,
    Name LowCardinality(String),
    Note Nullable(String),
    Cost Decimal(18, 9),
    At DateTime64(9),
    Attributes Map(LowCardinality(String), String),
    Stops Array(LowCardinality(String)),
    `Events.Name` Array(LowCardinality(String)),
    `Events.Attributes` Array(Map(LowCardinality(String), String))
) ENGINE = MergeTree ORDER BY Id SETTINGS non_replicated_deduplication_window = 100
"""
AT_NS = 1_790_000_000_123_456_789


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    path = tmp_path_factory.mktemp("engine")
    with clickhouse_http_server(path, username="writer", password="pass:word é") as running:
        yield running


@pytest.fixture
def client(server: ClickHouseServer) -> Iterator[Client]:
    server.control({})
    with clickhouse_connect.get_client(**server.address) as connected:
        connected.command("DROP TABLE IF EXISTS t")
        connected.command(TABLE, parameters={"name": "t"})
        yield connected


def rows_of(ids: range) -> pa.Table:
    """One Arrow row for each id, in the types that the store uses."""
    labels = pa.map_(pa.string(), pa.string())
    schema = pa.schema(
        {
            "Id": pa.uint64(),
            "Name": pa.dictionary(pa.int32(), pa.string()),
            "Note": pa.string(),
            "Cost": pa.decimal128(18, 9),
            "At": pa.timestamp("ns", "UTC"),
            "Attributes": labels,
            "Stops": pa.list_(pa.string()),
            "Events.Name": pa.list_(pa.string()),
            "Events.Attributes": pa.list_(labels),
        }
    )
    row = {
        "Name": "chat",
        "Note": None,
        "Cost": Decimal("0.000000001"),
        "At": AT_NS,
        "Attributes": [("model", "größe"), ("empty", "")],
        "Stops": ["a", "b"],
        "Events.Name": ["first", "second"],
        "Events.Attributes": [[("k", "v")], []],
    }
    return pa.Table.from_pylist([{"Id": i, **row} for i in ids], schema)


def count(client: Client) -> int:
    return client.query("SELECT count() FROM t").first_row[0]


def test_ping_and_version(client: Client) -> None:
    assert client.ping()
    assert int(client.server_version.split(".")[0]) >= 26
    assert client.query("SELECT timezone()").first_row == ("UTC",)


def test_arrow_insert_keeps_every_column(client: Client) -> None:
    summary = client.insert_arrow("t", rows_of(range(3)))
    assert summary.written_rows == 3
    (row,) = client.query("SELECT * EXCEPT At FROM t WHERE Id = 2").result_rows
    events = (["first", "second"], [{"k": "v"}, {}])
    labels = {"model": "größe", "empty": ""}
    assert row == (2, "chat", None, Decimal("0.000000001"), labels, ["a", "b"], *events)
    assert client.command("SELECT toUnixTimestamp64Nano(At) FROM t LIMIT 1") == AT_NS


def test_native_insert_keeps_every_column(client: Client) -> None:
    at = dt.datetime(2026, 9, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
    row = [7, "chat", None, Decimal("1.5"), at, {"k": "v"}, ["a"], ["e"], [{"x": "y"}]]
    client.insert("t", [row])
    (stored,) = client.query("SELECT * FROM t", tz_mode="aware").result_rows
    assert list(stored) == row


def test_query_arrow_and_streams(client: Client) -> None:
    client.insert_arrow("t", rows_of(range(10)))
    table = client.query_arrow("SELECT Id, Name, Cost FROM t ORDER BY Id")
    assert table["Id"].to_pylist() == list(range(10))
    with client.query_rows_stream("SELECT Id FROM t ORDER BY Id") as stream:
        assert [row[0] for row in stream] == list(range(10))


@pytest.mark.parametrize("form", [False, True], ids=["in the URL", "in a form"])
def test_bound_parameters(server: ClickHouseServer, form: bool) -> None:
    values = {"s": "it's a\ttab\\ \n ;é", "a": ["x'", "y"], "n": None, "d": dt.date(2026, 1, 2)}
    sql = "SELECT {s:String}, {a:Array(String)}, {n:Nullable(String)}, {d:Date}"
    address = {**server.address, "form_encode_query_params": form}
    with clickhouse_connect.get_client(**address) as client:
        assert client.query(sql, parameters=values).first_row == tuple(values.values())


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_compression_both_ways(server: ClickHouseServer, compress: str | bool) -> None:
    with clickhouse_connect.get_client(**server.address, compress=compress) as compressing:
        names = ["Id", "Name"]
        compressing.insert("t", [[i, "n" * 100] for i in range(20_000)], column_names=names)
        compressing.insert_arrow("t", rows_of(range(100)))
        answer = compressing.query("SELECT Name, Id FROM t ORDER BY Id DESC")
    assert len(answer.result_rows) == 20_100
    assert answer.first_row == ("n" * 100, 19_999)


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip"])
def test_raw_insert_with_content_encoding(client: Client, encoding: str) -> None:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, encoding) as stream:
        stream.write(b'{"Id": 5}\n')
    body = sink.getvalue().to_pybytes()
    client.raw_insert("t", ["Id"], body, fmt="JSONEachRow", compression=encoding)
    assert client.command("SELECT Id FROM t") == 5


def test_wrong_password_is_refused(server: ClickHouseServer) -> None:
    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED") as caught:
        clickhouse_connect.get_client(**{**server.address, "password": "wrong"})
    assert caught.value.code == 516


def test_errors_have_status_header_and_text(server: ClickHouseServer) -> None:
    url = f"http://127.0.0.1:{server.port}/?query=SELECT+*+FROM+nope"
    headers = {"X-ClickHouse-User": "writer", "X-ClickHouse-Key": server.password}
    request = urllib.request.Request(url, headers={k: _latin1(v) for k, v in headers.items()})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        text = answer.read().decode()
    assert answer.status == 404
    assert answer.headers["X-ClickHouse-Exception-Code"] == "60"
    assert text.startswith("Code: 60. DB::Exception: ")
    assert "(UNKNOWN_TABLE) (version " in text


def _latin1(value: str) -> str:
    """What urllib must be given for the header to hold UTF-8."""
    return value.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        pytest.param("SELECT * FROM nope", 60, "UNKNOWN_TABLE", id="table"),
        pytest.param("SELEC 1", 62, "SYNTAX_ERROR", id="syntax"),
        pytest.param("1", 62, "SYNTAX_ERROR", id="a server needs SELECT"),
        pytest.param("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR", id="script"),
        pytest.param("SELECT {x:String}", 456, "UNKNOWN_QUERY_PARAMETER", id="parameter"),
    ],
)
def test_error_codes_reach_the_client(client: Client, sql: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.command(sql)
    assert (caught.value.code, caught.value.name) == (code, name)


def test_insert_errors_reach_the_client(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.insert_arrow("nope", rows_of(range(1)))
    assert caught.value.code == 60
    with pytest.raises(DatabaseError) as caught:
        client.insert_arrow("t", pa.table({"Unknown": [1]}))
    assert caught.value.code == 16
    with pytest.raises(DatabaseError) as caught:
        client.insert_arrow("t", rows_of(range(20_000)), settings={"max_memory_usage": 1})
    assert caught.value.code == 241
    assert count(client) == 0


def test_errors_of_the_table_itself_reach_the_client(client: Client) -> None:
    rows = rows_of(range(1)).set_column(7, "Events.Name", pa.array([["only one"]]))
    with pytest.raises(DatabaseError, match="SIZES_OF_ARRAYS_DONT_MATCH"):
        client.insert_arrow("t", rows)
    client.command("ALTER TABLE t ADD CONSTRAINT small CHECK Id < 10")
    with pytest.raises(DatabaseError, match="VIOLATED_CONSTRAINT"):
        client.insert("t", [[10]], column_names=["Id"])


def test_semicolons_inside_strings_and_comments_are_no_script(client: Client) -> None:
    assert client.command("SELECT 'a;b' /* ; */ AS `x;y` -- ; z\n;") == "a;b"


def test_insert_with_inline_rows(client: Client) -> None:
    client.command("INSERT INTO t (Id, Name) VALUES (1, 'x FORMAT y; z')")
    client.command("INSERT INTO t (Id, Name) FORMAT CSV", data="2,two\n")
    client.command("INSERT INTO t (Id, Name) SELECT 3, 'three'")
    into = "INSERT INTO {table:Identifier} (Id, Name) SETTINGS async_insert = 0 FORMAT TSV"
    client.command(into, parameters={"table": "t"}, data="4\tfour\n")
    names = client.query("SELECT Name FROM t ORDER BY Id").result_columns[0]
    assert names == ["x FORMAT y; z", "two", "three", "four"]


def test_a_repeated_token_drops_the_insert(client: Client) -> None:
    for token in ("a", "a", "b"):
        settings = {"insert_deduplication_token": token}
        client.insert_arrow("t", rows_of(range(5)), settings=settings)
    assert count(client) == 10


def test_settings_last_for_one_request(client: Client) -> None:
    read = "SELECT getSetting('max_threads'), getSetting('log_comment')"
    client.command("SET log_comment = 'session'")
    settings = {"max_threads": 7, "log_comment": "request"}
    assert client.query(read, settings=settings).first_row == (7, "request")
    assert client.query(read).first_row[1] == "session"
    with pytest.raises(DatabaseError) as caught:
        client.raw_query("SELECT 1 SETTINGS no_such_setting = 1")
    assert caught.value.code == 115


def test_a_session_keeps_its_temporary_tables_to_itself(
    server: ClickHouseServer, client: Client
) -> None:
    client.command("CREATE TEMPORARY TABLE mine (a Int8)")
    assert client.query("SELECT * FROM mine").result_rows == []
    with (
        clickhouse_connect.get_client(**server.address) as other,
        pytest.raises(DatabaseError, match="UNKNOWN_TABLE"),
    ):
        other.query("SELECT * FROM mine")


def test_database_is_the_clients_own(server: ClickHouseServer, client: Client) -> None:
    client.command("CREATE DATABASE IF NOT EXISTS `other db`")
    with clickhouse_connect.get_client(**server.address, database="other db") as other:
        other.command("CREATE TABLE IF NOT EXISTS here (a Int8) ENGINE = Memory")
        other.insert("here", [[1]], column_names=["a"])
        assert other.command("SELECT currentDatabase()") == "other db"
    assert client.command("SELECT a FROM `other db`.here") == 1
    with pytest.raises(DatabaseError, match="UNKNOWN_DATABASE"):
        clickhouse_connect.get_client(**server.address, database="none")


@pytest.mark.parametrize(
    ("code", "name", "status", "error"),
    [
        pytest.param(241, "MEMORY_LIMIT_EXCEEDED", None, DatabaseError, id="memory"),
        pytest.param(252, "TOO_MANY_PARTS", None, DatabaseError, id="parts"),
        pytest.param(60, "UNKNOWN_TABLE", None, DatabaseError, id="table"),
        pytest.param(202, "TOO_MANY_SIMULTANEOUS_QUERIES", 503, OperationalError, id="503"),
    ],
)
def test_fail_next(
    client: Client,
    server: ClickHouseServer,
    *,
    code: int,
    name: str,
    status: int | None,
    error: type[DatabaseError],
) -> None:
    server.fail_next(code, status=status, match="^INSERT")
    assert count(client) == 0  # Not an insert: not failed.
    with pytest.raises(DatabaseError) as caught:
        client.insert_arrow("t", rows_of(range(1)))
    assert type(caught.value) is error
    assert (caught.value.code, caught.value.name) == (code, name)
    assert count(client) == 0
    client.insert_arrow("t", rows_of(range(1)))
    assert count(client) == 1


def test_cut_after_success_leaves_the_rows(server: ClickHouseServer, client: Client) -> None:
    server.cut_next(match="^INSERT")
    with pytest.raises(OperationalError):
        client.insert_arrow("t", rows_of(range(5)))
    assert count(client) == 5
    assert server.control() == {"fail": [], "cut_after_success": 0}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"deduplicate_insert": "disable"}, 2), ({"insert_deduplication_token": "a"}, 1)],
    ids=["no deduplication", "token"],
)
def test_the_client_itself_replays_a_native_insert_that_was_cut(
    server: ClickHouseServer, client: Client, settings: dict[str, object], expected: int
) -> None:
    server.cut_next(match="^INSERT")
    client.insert("t", [[1]], column_names=["Id"], settings=settings)
    assert count(client) == expected


def test_delay_outlasts_an_impatient_client(server: ClickHouseServer, client: Client) -> None:
    # Not `t`: the insert still happens, by then perhaps in the midst of another test.
    client.command("CREATE TABLE IF NOT EXISTS late (Id UInt8) ENGINE = Null")
    impatient = clickhouse_connect.get_client(**server.address, send_receive_timeout=1)
    server.delay(1.2, match="^INSERT")
    with impatient, pytest.raises(OperationalError):
        impatient.insert_arrow("late", pa.table({"Id": [1]}))


def test_data_survives_a_kill_and_a_restart_on_the_same_port(tmp_path: Path) -> None:
    with clickhouse_http_server(tmp_path / "engine") as first:
        with clickhouse_connect.get_client(**first.address) as client:
            client.command("CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a")
            client.insert("t", [[1]], column_names=["a"])
        first.kill()
    with (
        clickhouse_http_server(tmp_path / "engine", port=first.port) as second,
        clickhouse_connect.get_client(**second.address) as client,
    ):
        assert second.port == first.port
        assert client.command("SELECT a FROM t") == 1
