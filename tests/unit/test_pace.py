"""Questions leave ingest its share of the time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.api.asking import Asking
from exporter.cancellation import Cancellation
from exporter.errors import CancelledError, OverloadedError, WrongQueryError
from exporter.pace import BURST_S, Pace

PAUSE_MAX_S = 10.0


def behind(share: float) -> Pace:
    """Return an account after spans have waited for a while."""
    pace = Pace(share=share, pause_max_s=PAUSE_MAX_S)
    for _ in range(20):
        pace.look(waiting=True)
    return pace


def test_what_the_panels_of_a_dashboard_ask_together_does_not_pause() -> None:
    pace = behind(0.5)
    for _ in range(10):
        assert pace.pause_s(100.0) == 0
        pace.ran(BURST_S / 10, 100.0)


def test_who_asks_without_end_gets_the_share_and_no_more() -> None:
    pace, now, ran = behind(0.25), 50.0, 0.0
    while now < 50.0 + 1000:
        now += pace.pause_s(now)
        now, ran = now + 2.0, ran + 2.0
        pace.ran(2.0, now)
    assert ran / 1000 == pytest.approx(0.25, rel=0.02)


@pytest.mark.parametrize(
    ("share", "looks"),
    [(0.1, []), (0.1, [False] * 9), (0.1, ([True] + [False] * 9) * 5), (1.0, [True] * 9)],
    ids=["never looked", "nothing waits", "one request waits now and then", "all of the time"],
)
def test_nothing_pauses(share: float, looks: list[bool]) -> None:
    pace = Pace(share=share, pause_max_s=PAUSE_MAX_S)
    for waiting in looks:
        pace.look(waiting=waiting)
    pace.ran(1000.0, 5.0)
    assert pace.pause_s(5.0) == 0


def test_the_pause_ends_when_ingest_has_caught_up() -> None:
    pace = behind(0.5)
    pace.ran(5.0, 1.0)
    assert pace.pause_s(1.0) > 1
    looks = 0
    while pace.pause_s(1.0):
        pace.look(waiting=False)
        looks += 1
    assert looks <= 6


@given(
    share=st.floats(0.01, 0.99),
    steps=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=20),
)
def test_no_pause_is_longer_than_allowed_and_each_ends(
    share: float, steps: list[tuple[float, float]]
) -> None:
    pace, now = behind(share), 0.0
    for idle, ran in steps:
        now += idle
        pace.ran(ran, now)
        pause = pace.pause_s(now)
        assert 0 <= pause <= PAUSE_MAX_S * (1 + 1e-9)
        now += pause
        assert pace.pause_s(now) == pytest.approx(0, abs=1e-6)


async def test_a_question_waits_as_long_as_spans_do_and_says_how_long() -> None:
    looks = [True] * 10
    told: list[tuple[str, str, float]] = []
    asking = Asking(
        threads=1,
        pace=_in_debt(),
        waiting=lambda: bool(looks and looks.pop()),
        told=lambda route, outcome, paused_s, _: told.append((route, outcome, paused_s)),
    )
    assert await asking.ask("/some", lambda _: 7, Cancellation()) == 7
    assert not looks
    assert [(route, outcome) for route, outcome, _ in told] == [("/some", "ok")]
    assert told[0][2] > 0
    asking.close()


async def test_a_question_that_nobody_waits_for_does_not_pause() -> None:
    asking = Asking(threads=1, pace=_in_debt(), waiting=lambda: True)
    cancellation = Cancellation()
    asked = asyncio.create_task(asking.ask("/some", _until_cancelled, cancellation))
    await asyncio.sleep(0)
    cancellation.cancel()
    with pytest.raises(CancelledError):
        await asyncio.wait_for(asked, PAUSE_MAX_S / 2)
    asking.close()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (WrongQueryError("no"), "refused"),
        (OverloadedError("later"), "overloaded"),
        (CancelledError("gone"), "cancelled"),
        (ValueError("ours"), "failed"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
async def test_how_a_question_ended_is_told(error: Exception, outcome: str) -> None:
    told: list[str] = []
    asking = Asking(
        threads=1,
        pace=behind(0.5),
        told=lambda _, outcome, paused_s, __: told.append(f"{outcome} {paused_s}"),
    )

    def question(_: Cancellation) -> None:
        raise error

    with pytest.raises(type(error)):
        await asking.ask("/some", question, Cancellation())
    assert told == [f"{outcome} 0.0"]
    asking.close()


def _until_cancelled(cancellation: Cancellation) -> None:
    cancellation.check()


def _in_debt() -> Pace:
    pace = behind(0.5)
    pace.ran(1000.0, 0.0)
    # Monotonic clocks begin anywhere: paid back by now, or not.
    pace.ran(1000.0, asyncio.get_running_loop().time())
    return pace
