"""The queue: bounds, order, and what closing it means."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import OverloadedError, StoppingError
from exporter.queue import MemoryQueue, Outcome, Ticket


def ticket(request: bytes = b"x") -> Ticket:
    def settle(outcome: Outcome) -> None:
        raise AssertionError(f"a queue settles nothing: {outcome}")

    return Ticket(request, settle)


def queue(max_bytes: int = 100, max_requests: int = 10) -> MemoryQueue:
    return MemoryQueue(max_bytes=max_bytes, max_requests=max_requests, retry_after_s=3.0)


def test_what_comes_first_is_taken_first():
    waiting = queue()
    for number in range(5):
        waiting.put(ticket(bytes([number])))
    assert [t.request for t in waiting.take(2)] == [b"\0", b"\1"]
    assert [t.request for t in waiting.take(100)] == [b"\2", b"\3", b"\4"]


def test_no_more_requests_wait_than_allowed():
    waiting = queue(max_requests=2)
    waiting.put(ticket())
    waiting.put(ticket())
    with pytest.raises(OverloadedError, match="2 requests are waiting") as error:
        waiting.put(ticket())
    assert error.value.retry_after_s == 3.0
    assert waiting.depth == (2, 2)
    waiting.take(1)
    waiting.put(ticket())


def test_no_more_bytes_wait_than_allowed():
    waiting = queue(max_bytes=10)
    waiting.put(ticket(bytes(6)))
    with pytest.raises(OverloadedError):
        waiting.put(ticket(bytes(5)))
    waiting.put(ticket(bytes(4)))
    assert waiting.depth == (2, 10)


def test_a_request_of_any_size_fits_into_an_empty_queue():
    waiting = queue(max_bytes=10)
    waiting.put(ticket(bytes(1000)))
    assert waiting.depth == (1, 1000)
    with pytest.raises(OverloadedError):
        waiting.put(ticket(b""))


def test_a_request_larger_than_a_step_is_taken_alone():
    waiting = queue()
    waiting.put(ticket(bytes(50)))
    waiting.put(ticket(bytes(1)))
    assert [len(t.request) for t in waiting.take(10)] == [50]
    assert [len(t.request) for t in waiting.take(10)] == [1]


def test_a_closed_queue_takes_nothing_in_and_gives_out_what_it_has():
    waiting = queue()
    waiting.put(ticket(b"a"))
    waiting.close()
    with pytest.raises(StoppingError) as error:
        waiting.put(ticket())
    assert error.value.retry_after_s == 3.0
    assert [t.request for t in waiting.take(10)] == [b"a"]
    assert waiting.take(10) == []
    assert waiting.take(10) == []


def test_closing_wakes_whoever_waits():
    waiting = queue()
    with ThreadPoolExecutor(1) as threads:
        taken = threads.submit(waiting.take, 10)
        waiting.close()
        assert taken.result(timeout=10) == []


def test_a_request_wakes_whoever_waits():
    waiting = queue()
    with ThreadPoolExecutor(1) as threads:
        taken = threads.submit(waiting.take, 10)
        waiting.put(ticket(b"a"))
        assert [t.request for t in taken.result(timeout=10)] == [b"a"]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40)),
    steps=st.lists(st.integers(0, 60)),
    max_bytes=st.integers(0, 100),
    max_requests=st.integers(1, 5),
)
def test_whatever_is_taken_in_comes_out_once_in_order_and_within_the_bounds(
    sizes: list[int], steps: list[int], max_bytes: int, max_requests: int
):
    waiting = queue(max_bytes, max_requests)
    inside: list[Ticket] = []
    steps_left = iter(steps)
    for number, size in enumerate(sizes):
        new = ticket(number.to_bytes(4) + bytes(size))
        try:
            waiting.put(new)
            inside.append(new)
        except OverloadedError:
            full = sum(len(t.request) for t in [*inside, new]) > max_bytes
            assert inside
            assert full or len(inside) >= max_requests
            step = next(steps_left, 10)
            taken = waiting.take(step)
            assert taken == inside[: len(taken)]
            assert len(taken) == 1 or sum(len(t.request) for t in taken) <= step
            del inside[: len(taken)]
        requests, held = waiting.depth
        assert (requests, held) == (len(inside), sum(len(t.request) for t in inside))
        assert requests <= max_requests
        assert held <= max_bytes or requests == 1
    waiting.close()
    while taken := waiting.take(10):
        assert taken == inside[: len(taken)]
        del inside[: len(taken)]
    assert not inside


def test_threads_lose_and_repeat_nothing():
    waiting = queue(max_bytes=50, max_requests=5)
    taken: list[bytes] = []

    def produce(first: int) -> None:
        for number in range(first, first + 200):
            while True:
                try:
                    waiting.put(ticket(number.to_bytes(4)))
                    break
                except OverloadedError:
                    threading.Event().wait(0)

    def consume() -> None:
        while tickets := waiting.take(20):
            taken.extend(t.request for t in tickets)

    with ThreadPoolExecutor(4) as threads:
        consumer = threads.submit(consume)
        for done in [threads.submit(produce, first) for first in (0, 1000, 2000)]:
            done.result(timeout=30)
        waiting.close()
        consumer.result(timeout=30)
    assert sorted(int.from_bytes(t) for t in taken) == [
        first + number for first in (0, 1000, 2000) for number in range(200)
    ]
