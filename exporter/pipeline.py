"""The write path on one page: bytes → columns → {metrics, rows}.

Two threads share it. `accept` reads and answers; `finish` counts and stores what was accepted,
a moment later, when the rest of its traces had time to arrive.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from exporter.errors import RetryableError
from exporter.genai.attribution.memory import TraceMemory
from exporter.hold import Held, Hold
from exporter.queue import Queue, Ticket
from exporter.spans.batch import SpanBatch
from exporter.spans.decode import Decoder
from exporter.spans.rejection import Verdict
from exporter.spans.rows import Rows, rows
from exporter.spans.schema import NANOSECONDS
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

Stage = Callable[[SpanBatch], SpanBatch]


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Takes what waits in the queue, as much as fits into one step, and processes it as one batch.

    The busier it is, the more waits, the larger the batches get and the less each span costs.
    """

    queue: Queue
    decode: Decoder
    normalise: Stage
    memory: TraceMemory
    hold: Hold
    content: Stage
    estimate: Stage
    price: Stage
    observe: Callable[[SpanBatch], None]
    write: Callable[[Rows], None]
    telemetry: Telemetry
    step_max_bytes: int
    now_ns: Callable[[], int] = time.time_ns
    _remembering: threading.Lock = field(default_factory=threading.Lock)

    def run_accept(self) -> None:
        """Accept until the queue is closed and drained. Blocks: give it a thread."""
        while tickets := self.queue.take(self.step_max_bytes):
            self._alone_if_it_fails(self.accept, tickets, self._refuse)
        self.hold.close()

    def run_finish(self) -> None:
        """Finish until the hold is closed and empty. Blocks: give it a thread."""
        while held := self.hold.take():
            try:
                self.finish(held)
            except Exception:
                log.exception("batch dropped", extra={"spans": len(held.batch)})
                self._drop(held)

    def accept(self, tickets: Sequence[Ticket]) -> None:
        """Read and check the spans of all requests, answer each sender, hold what is sound."""
        requests = [ticket.request for ticket in tickets]
        with self.telemetry.timed("decode"):
            batch, verdicts = self.decode.decode(requests, self.now_ns())
        with self.telemetry.timed("normalise"):
            batch = self.normalise(batch)
        with self._remembering:
            self.memory.remember(batch, time.monotonic())
        for ticket, verdict in zip(tickets, verdicts, strict=True):
            self._count(verdict)
            ticket.settle(verdict.error or verdict)
        if len(batch):
            self.hold.put(batch, requests)

    def finish(self, held: Held) -> None:
        """Decide who owns the usage, read the content, price, count, and hand the rows on."""
        try:
            with self.telemetry.timed("finish"):
                with self._remembering:
                    attributed = self.memory.attribute(held.batch)
                estimated = self.estimate(self.content(attributed))
                with self._remembering:
                    self.memory.note_estimates(estimated)
                priced = self.price(estimated)
                table = rows(priced)
        except Exception:
            # Nothing above has a side effect that counts, so it can be tried again in parts.
            log.exception("step failed", extra={"spans": len(held.batch)})
            self._finish_each(held)
            return
        self.observe(priced)
        self._record_lag(held.batch)
        self.write(table)

    def _record_lag(self, batch: SpanBatch) -> None:
        if not len(batch):
            return
        lags_ns = self.now_ns() - (batch.start_ns + batch.duration_ns)
        # A sender's clock may run ahead of ours.
        self.telemetry.ingest_lag.record(max(float(np.quantile(lags_ns, 0.99)) / NANOSECONDS, 0.0))

    # When something of ours fails -------------------------------------------------------------

    def _alone_if_it_fails(
        self,
        work: Callable[[Sequence[Ticket]], None],
        tickets: Sequence[Ticket],
        give_up: Callable[[Ticket], None],
    ) -> None:
        """Work on all, or if that fails on each alone, so that one takes no other along."""
        try:
            work(tickets)
        except Exception:
            log.exception("step failed", extra={"requests": len(tickets)})
            if len(tickets) == 1:
                give_up(tickets[0])
            else:
                for ticket in tickets:
                    self._alone_if_it_fails(work, [ticket], give_up)

    def _refuse(self, ticket: Ticket) -> None:
        ticket.settle(RetryableError("internal error"))

    def _finish_each(self, held: Held) -> None:
        with self._remembering:
            self.memory.forgive(held.batch)
        if len(held.requests) == 1:
            self._drop(held)
            return
        for request in held.requests:
            batch, _ = self.decode.decode([request], self.now_ns())
            self.finish(Held(self.normalise(batch), [request], held.due))

    def _drop(self, held: Held) -> None:
        labels = {"outcome": "dropped", "reason": "internal"}
        self.telemetry.spans.add(len(held.batch), labels)

    def _count(self, verdict: Verdict) -> None:
        if verdict.accepted:
            self.telemetry.spans.add(verdict.accepted, {"outcome": "accepted", "reason": ""})
        for reason, spans in verdict.rejected.items():
            self.telemetry.spans.add(spans, {"outcome": "rejected", "reason": reason})
