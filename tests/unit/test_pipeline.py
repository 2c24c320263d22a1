"""The pipeline: each request is settled once, and one that breaks a stage takes no other along."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import MalformedError, RetryableError
from exporter.genai.attribution.memory import TraceMemory
from exporter.hold import Hold
from exporter.metrics.observe import Observer
from exporter.pipeline import Pipeline
from exporter.queue import MemoryQueue, Outcome, Ticket
from exporter.spans.batch import SpanBatch
from exporter.spans.rejection import Verdict
from exporter.spans.rows import Rows
from exporter.telemetry import Telemetry
from tests.support.otlp import NOON_NS, request
from tests.unit.pipeline import DECODER, NORMALISE, PRICE, chat

BROKEN = b"\xff"
POISON = "poison"


class Poisoned(Exception):  # noqa: N818 - no error of the product
    """What a stage of ours raises when it has a mistake."""


def poisonable(stage: Callable[[SpanBatch], Any]) -> Callable[[SpanBatch], Any]:
    def run(batch: SpanBatch) -> Any:
        if POISON in batch["SpanName"].to_pylist():
            raise Poisoned(POISON)
        return stage(batch)

    return run


@dataclass
class Bench:
    """A pipeline with its queue, and everything that comes out of it."""

    telemetry: Telemetry = field(default_factory=Telemetry)
    written: list[Rows] = field(default_factory=list)
    settled: dict[int, list[Outcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queue = MemoryQueue(max_bytes=1 << 20, max_requests=1000, retry_after_s=1.0)
        self.observer = Observer(extra_labels=(), label_values_max=100, series_max=100)
        self.pipeline = Pipeline(
            queue=self.queue,
            decode=DECODER,
            normalise=NORMALISE,
            memory=TraceMemory(max_spans=1000, max_age_s=60.0),
            hold=Hold(seconds=0.001, max_spans=1000),
            content=lambda batch: batch,
            estimate=lambda batch: batch,
            price=PRICE,
            observe=self.observer,
            write=self.written.append,
            telemetry=self.telemetry,
            step_max_bytes=1 << 20,
            now_ns=lambda: NOON_NS,
        )

    def ticket(self, body: bytes) -> Ticket:
        outcomes = self.settled.setdefault(len(self.settled), [])
        return Ticket(body, outcomes.append)

    def step(self, *bodies: bytes) -> list[Outcome]:
        """Process requests as one step; return what each was told, exactly once."""
        first = len(self.settled)
        for one in [self.ticket(body) for body in bodies]:
            self.queue.put(one)
        self.run()
        outcomes = [self.settled[number] for number in range(first, len(self.settled))]
        assert all(len(told) == 1 for told in outcomes), outcomes
        return [told[0] for told in outcomes]

    def run(self) -> None:
        """Process what waits, to the end; the next run has a new queue and hold."""
        self.queue.close()
        self.pipeline.run_accept()
        self.pipeline.run_finish()
        self.queue = MemoryQueue(max_bytes=1 << 20, max_requests=1000, retry_after_s=1.0)
        hold = Hold(seconds=0.001, max_spans=1000)
        self.pipeline = replace(self.pipeline, queue=self.queue, hold=hold)

    def spans(self, outcome: str, reason: str = "") -> float:
        labels = {"outcome": outcome, "reason": reason}
        value = self.telemetry.registry.get_sample_value("llm_observatory_spans_total", labels)
        return value or 0

    def names(self) -> Counter[str]:
        return Counter(
            name
            for rows in self.written
            for name in rows.tables["otel_traces"]["SpanName"].to_pylist()
        )

    def calls(self) -> int:
        """Return what llm_requests_total says in all."""
        series = self.observer.counters["llm_requests"]
        with self.observer.lock:
            _, totals = series.snapshot()
        return int(totals.sum())


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.telemetry.shutdown()


_numbers = itertools.count(1)  # A span that comes twice is counted once: each has its own id.


def body(*names: str) -> bytes:
    return request(*(chat(name=name, number=next(_numbers)) for name in names))


def test_a_step_settles_each_request_with_its_own_verdict(bench: Bench):
    bad = request(chat(name="a", number=next(_numbers)), chat(span_id=b""))
    sound, broken, partial, empty = bench.step(body("a", "b"), BROKEN, bad, b"")
    assert sound == Verdict(accepted=2)
    assert isinstance(broken, MalformedError)
    assert partial == Verdict(accepted=1, rejected={"invalid_span_id": 1})
    assert empty == Verdict()
    assert bench.names() == {"a": 2, "b": 1}
    assert (bench.spans("accepted"), bench.spans("rejected", "invalid_span_id")) == (3, 1)
    assert bench.calls() == 3
    assert len(bench.written) == 1


def test_a_step_of_nothing_writes_nothing(bench: Bench):
    bench.step(b"", BROKEN)
    assert not bench.written


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_request_that_breaks_a_stage_is_dropped_alone(bench: Bench, at: int):
    bodies = [body("a"), body("b")]
    bodies.insert(at, body("x", POISON, "y"))
    bench.pipeline = replace(bench.pipeline, price=poisonable(PRICE))
    bench.step(*bodies)
    assert bench.names() == {"a": 1, "b": 1}
    assert bench.calls() == 2
    assert bench.spans("accepted") == 5
    assert bench.spans("dropped", "internal") == 3


def test_a_request_that_breaks_a_stage_is_dropped_when_it_is_alone(bench: Bench):
    bench.pipeline = replace(bench.pipeline, price=poisonable(PRICE))
    bench.step(body(POISON))
    assert bench.spans("dropped", "internal") == 1
    bench.step(body("a"))
    assert bench.names() == {"a": 1}


def test_spans_that_were_refused_are_not_counted_again_when_a_step_is_repeated(bench: Bench):
    bench.pipeline = replace(bench.pipeline, price=poisonable(PRICE))
    bench.step(body(POISON), request(chat(name="a"), chat(trace_id=b"")), BROKEN)
    assert bench.spans("rejected", "invalid_trace_id") == 1
    assert bench.spans("accepted") == 2
    assert bench.spans("dropped", "internal") == 1
    assert bench.names() == {"a": 1}


def test_metrics_are_not_counted_twice_when_writing_fails(bench: Bench):
    """`write` comes after `observe`: what fails there must not be observed again."""
    failures = [Poisoned()]

    def write(rows: Rows) -> None:
        if failures:
            raise failures.pop()
        bench.written.append(rows)

    bench.pipeline = replace(bench.pipeline, write=write)
    bench.step(body("a"), body("b"))
    assert bench.calls() == 2


def test_a_decoder_with_a_mistake_tells_the_sender_to_come_back(bench: Bench):
    class Decoder:
        def decode(self, requests: Sequence[bytes], now_ns: int) -> Any:
            if any(POISON.encode() in item for item in requests):
                raise Poisoned
            return DECODER.decode(requests, now_ns)

    bench.pipeline = replace(bench.pipeline, decode=Decoder())
    told = bench.step(body("a"), body(POISON), body("b"))
    assert told[0] == told[2] == Verdict(accepted=1)
    assert isinstance(told[1], RetryableError)
    assert bench.names() == {"a": 1, "b": 1}
    assert bench.spans("accepted") == 2


def test_the_poison_is_logged_without_its_content(bench: Bench, caplog: pytest.LogCaptureFixture):
    bench.pipeline = replace(bench.pipeline, price=poisonable(PRICE))
    bench.step(body("a"), request(chat({"gen_ai.prompt": "my secret"}, name=POISON)))
    assert any(record.levelname == "ERROR" for record in caplog.records)
    assert "my secret" not in caplog.text


def test_it_runs_until_the_queue_is_closed_and_drained(bench: Bench):
    workers = [
        threading.Thread(target=work)
        for work in (bench.pipeline.run_accept, bench.pipeline.run_finish)
    ]
    for worker in workers:
        worker.start()
    for number in range(100):
        bench.queue.put(bench.ticket(body(f"span {number}")))
    bench.queue.close()
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()
    assert bench.names() == {f"span {number}": 1 for number in range(100)}
    assert [len(told) for told in bench.settled.values()] == [1] * 100


REQUESTS = st.lists(st.sampled_from(["good", "broken", POISON, "empty", "partial"]), max_size=8)


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(REQUESTS, max_size=4))
def test_every_accepted_span_is_written_or_counted_as_dropped(steps: list[list[str]]):
    bench = Bench()
    bench.pipeline = replace(bench.pipeline, price=poisonable(PRICE))
    bodies = {
        "good": lambda: body("a", "b"),
        "broken": lambda: BROKEN,
        POISON: lambda: body(POISON, "c"),
        "empty": lambda: b"",
        "partial": lambda: request(chat(name="d", number=next(_numbers)), chat(span_id=b"")),
    }
    for kinds in steps:
        if kinds:
            bench.step(*(bodies[kind]() for kind in kinds))
    sent = Counter(kind for kinds in steps for kind in kinds)
    assert bench.names() == Counter({"a": sent["good"], "b": sent["good"], "d": sent["partial"]})
    assert bench.spans("dropped", "internal") == 2 * sent[POISON]
    assert bench.calls() == bench.names().total()
    assert bench.spans("accepted") == bench.names().total() + bench.spans("dropped", "internal")
    assert bench.spans("rejected", "invalid_span_id") == sent["partial"]
    bench.telemetry.shutdown()
