"""Questions to the store stay within their limits, and end when nobody waits for them."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from clickhouse.client import Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, ReadPool
from clickhouse.reads.traces import trace
from exporter.cancellation import Cancellation
from exporter.errors import CancelledError, ObservatoryError, OverloadedError, WrongQueryError
from exporter.spans.rows import rows
from tests.support.otlp import request
from tests.unit.pipeline import DECODER, NORMALISE, PRICE, chat

ENDLESS = """
SELECT max(sipHash64(number)) AS Longest
FROM numbers({numbers:UInt64})
LIMIT 1
"""
NOW_NS = time.time_ns()
FOREVER = {"numbers": 10**15}
# Long enough for what is waited for on a busy machine; nothing waits that long when it works.
WAIT_S = 60.0

Kill = Callable[[Callable[[], Any]], Any]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


class Steered:
    """A real client whose questions and kills are let go by a test."""

    def __init__(self, client: Any, before_question: Callable[[], None], kill: Kill) -> None:
        self._client = client
        self._before_question = before_question
        self._kill = kill

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def raw_query(self, *asked: Any, **how: Any) -> Any:
        self._before_question()
        return self._client.raw_query(*asked, **how)

    def command(self, *said: Any, **how: Any) -> Any:
        return self._kill(lambda: self._client.command(*said, **how))


def pool(
    path: Path,
    *,
    size: int = 1,
    wait_max_s: float = 30.0,
    steer: Callable[[Any], Any] = lambda client: client,
    **limits: float,
) -> ReadPool:
    address = parse_address(f"chdb:{path}")
    return ReadPool(
        lambda: steer(connect(address, database="default")),
        size=size,
        wait_max_s=wait_max_s,
        limits=ReadLimits(**limits),  # type: ignore[arg-type]
    )


def test_a_question_is_stopped_in_the_store_when_it_is_cancelled(path: Path) -> None:
    reads = pool(path, size=2, time_max_s=600.0)
    cancellation = Cancellation()
    failures: list[BaseException] = []

    def ask() -> None:
        with reads.session(cancellation) as session:
            try:
                session.table(ENDLESS, FOREVER)
            except CancelledError as error:
                failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    # The question about the questions has the pattern in it, too.
    running = (
        "SELECT count() FROM system.processes WHERE query LIKE {like:String} "
        "AND query NOT LIKE '%system.processes%' LIMIT 1"
    )
    with reads.session(Cancellation()) as session:
        while not session.rows(running, {"like": "%sipHash64(number)%Longest%"})[0][0]:
            assert asking.is_alive()
    cancellation.cancel()
    asking.join(60)
    assert len(failures) == 1


def asked_forever(reads: ReadPool, cancellation: Cancellation) -> Callable[[], type[Exception]]:
    """Ask without end in a thread; return what waits for how that ends."""
    ended: list[type[Exception]] = []

    def ask() -> None:
        with reads.session(cancellation) as session:
            try:
                session.table(ENDLESS, FOREVER)
            except ObservatoryError as error:
                ended.append(type(error))

    asking = threading.Thread(target=ask)
    asking.start()

    def end() -> type[Exception]:
        asking.join(WAIT_S)
        (only,) = ended
        return only

    return end


def test_a_question_that_reaches_the_store_after_its_kill_is_stopped_too(path: Path) -> None:
    leaving, killed = threading.Event(), threading.Event()

    def before_question() -> None:
        leaving.set()
        assert killed.wait(WAIT_S)

    def kill(carry_out: Callable[[], Any]) -> None:
        carry_out()
        killed.set()

    reads = pool(path, time_max_s=20.0, steer=lambda client: Steered(client, before_question, kill))
    cancellation = Cancellation()
    end = asked_forever(reads, cancellation)
    assert leaving.wait(WAIT_S)
    cancellation.cancel()
    assert end() is CancelledError


def test_a_kill_that_fails_is_tried_again(path: Path) -> None:
    leaving = threading.Event()
    failures = iter([DatabaseError("too many connections"), OSError("connection reset")])

    def kill(carry_out: Callable[[], Any]) -> None:
        for failure in failures:
            raise failure
        carry_out()

    reads = pool(path, time_max_s=20.0, steer=lambda client: Steered(client, leaving.set, kill))
    cancellation = Cancellation()
    end = asked_forever(reads, cancellation)
    assert leaving.wait(WAIT_S)
    cancellation.cancel()
    assert end() is CancelledError
    assert not list(failures)


def test_kills_end_when_the_question_must_have_ended_itself(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leaving, given_up = threading.Event(), threading.Event()

    def before_question() -> None:
        leaving.set()
        assert given_up.wait(WAIT_S)

    def kill(carry_out: Callable[[], Any]) -> None:
        carry_out()

    reads = pool(path, time_max_s=0.1, steer=lambda client: Steered(client, before_question, kill))
    cancellation = Cancellation()
    end = asked_forever(reads, cancellation)
    assert leaving.wait(WAIT_S)
    cancellation.cancel()
    given_up.set()
    assert end() is WrongQueryError
    assert [each.message for each in caplog.records] == ["a question could not be stopped"]


def test_between_two_questions_nothing_is_killed_and_the_next_one_is_not_asked(path: Path) -> None:
    def kill(_carry_out: Callable[[], Any]) -> None:
        pytest.fail("nothing was under way")

    cancellation = Cancellation()
    reads = pool(path, steer=lambda client: Steered(client, lambda: None, kill))
    with reads.session(cancellation) as session:
        assert session.table("SELECT 1 AS One LIMIT 1", {}).to_pylist() == [{"One": 1}]
        cancellation.cancel()
        with pytest.raises(CancelledError):
            session.table("SELECT 1 AS One LIMIT 1", {})


def test_a_question_that_nobody_waits_for_is_not_asked_at_all(path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError), pool(path).session(cancellation):
        pytest.fail("the session began")


def test_a_client_is_lent_again_after_a_failure(path: Path) -> None:
    reads = pool(path, time_max_s=0.1)
    for _ in range(2):
        with reads.session(Cancellation()) as session, pytest.raises(WrongQueryError):
            session.table(ENDLESS, FOREVER)
    with reads.session(Cancellation()) as session:
        assert session.rows("SELECT 1 LIMIT 1", {}) == [(1,)]


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"time_max_s": 0.1}, id="time"),
        pytest.param({"memory_max_bytes": 2_000_000}, id="memory"),
    ],
)
def test_a_question_that_takes_too_much_says_what_to_do(
    path: Path, limits: dict[str, float]
) -> None:
    hungry = "SELECT length(groupArray(number)) FROM numbers({numbers:UInt64}) LIMIT 1"
    with (
        pool(path, **limits).session(Cancellation()) as session,
        pytest.raises(WrongQueryError, match="ask for a shorter time range"),
    ):
        session.table(hungry, FOREVER)


def test_more_questions_than_clients_are_told_to_come_back(path: Path) -> None:
    reads = pool(path, wait_max_s=0.01)
    with (
        reads.session(Cancellation()),
        pytest.raises(OverloadedError, match="ask again later"),
        reads.session(Cancellation()),
    ):
        pytest.fail("two sessions with one client")


def test_a_second_client_is_lent_where_one_is_free_and_else_not_waited_for(path: Path) -> None:
    reads = pool(path, size=2)
    for _ in range(2):
        with (
            reads.session(Cancellation()) as one,
            reads.another(Cancellation()) as two,
            reads.another(Cancellation()) as three,
        ):
            assert two is not None
            assert [each.rows("SELECT 1 LIMIT 1", {}) for each in (one, two)] == [[(1,)], [(1,)]]
            assert three is None


def test_a_trace_is_the_same_whether_its_content_is_asked_for_meanwhile_or_after(
    path: Path,
) -> None:
    address = parse_address(f"chdb:{path}")
    migrate(address, Retention(spans_days=1, content_days=1, minutes_days=1, hours_days=1))
    prompt = {"gen_ai.input.messages": "what is the answer"}
    sent = request(*(chat(prompt, trace=7, number=n, start_ns=NOW_NS + n) for n in range(1, 5)))
    batch, _ = DECODER.decode([sent], NOW_NS)
    with closing(connect(address)) as client:
        for name, table in rows(PRICE(NORMALISE(batch))).tables.items():
            Writer(client).insert_arrow(name, pa.Table.from_batches([table]), {})
    reads = ReadPool(lambda: connect(address), size=2, wait_max_s=WAIT_S, limits=ReadLimits())
    with reads.session(Cancellation()) as one, reads.another(Cancellation()) as two:
        after, meanwhile = (trace(one, f"{7:032x}", None, beside=each) for each in (None, two))
    assert after is not None
    assert after.num_rows == 4
    assert after["ContentAttributes"].to_pylist() == [[*prompt.items()]] * 4
    assert after.equals(meanwhile)
