"""Questions to the store stay within their limits, and end when nobody waits for them."""

import threading
from pathlib import Path

import pytest

from clickhouse.client import connect, parse_address
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.cancellation import Cancellation
from exporter.errors import CancelledError, OverloadedError, WrongQueryError

ENDLESS = """
SELECT max(sipHash64(number)) AS Longest
FROM numbers({numbers:UInt64})
LIMIT 1
"""
FOREVER = {"numbers": 10**15}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


def pool(path: Path, *, size: int = 1, wait_max_s: float = 30.0, **limits: float) -> ReadPool:
    address = parse_address(f"chdb:{path}")
    return ReadPool(
        lambda: connect(address, database="default"),
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
