"""The write path on one page: bytes → columns → {metrics, rows}."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exporter.errors import RetryableError
from exporter.queue import Queue, Ticket
from exporter.spans.batch import SpanBatch
from exporter.spans.decode import Decoder, Verdict
from exporter.spans.rows import Rows, rows
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
    price: Stage
    observe: Callable[[SpanBatch], None]
    write: Callable[[Rows], None]
    telemetry: Telemetry
    step_max_bytes: int
    now_ns: Callable[[], int] = time.time_ns

    def run(self) -> None:
        """Process until the queue is closed and drained. Blocks: give it a thread."""
        while tickets := self.queue.take(self.step_max_bytes):
            self.step(tickets)

    def step(self, tickets: Sequence[Ticket]) -> None:
        """Accept the requests of one step and process their spans.

        Only our own mistakes raise here: then each request is tried alone, so that one takes no
        other along.
        """
        try:
            batch = self.accept(tickets)
        except Exception:
            log.exception("step failed", extra={"requests": len(tickets)})
            self._each(tickets, self.step, lambda t: t.settle(RetryableError("internal error")))
            return
        try:
            self.process(batch)
        except Exception:
            log.exception("step failed", extra={"requests": len(tickets), "spans": len(batch)})
            self._each(tickets, self._reprocess, self._drop)

    def accept(self, tickets: Sequence[Ticket]) -> SpanBatch:
        """Read and check the spans of all requests, and answer each sender."""
        with self.telemetry.timed("decode"):
            batch, verdicts = self.decode.decode([t.request for t in tickets], self.now_ns())
        for ticket, verdict in zip(tickets, verdicts, strict=True):
            self._count(verdict)
            ticket.settle(verdict.error or verdict)
        return batch

    def process(self, batch: SpanBatch) -> None:
        """Normalise and price a batch, count it, and hand its rows on."""
        if not len(batch):
            return
        with self.telemetry.timed("process"):
            priced = self.price(self.normalise(batch))
            table = rows(priced)
        # Nothing above has a side effect, so a step that fails there can be tried again in parts.
        self.observe(priced)
        self.write(table)

    def _each(
        self,
        tickets: Sequence[Ticket],
        again: Callable[[Sequence[Ticket]], None],
        give_up: Callable[[Ticket], None],
    ) -> None:
        if len(tickets) == 1:
            give_up(tickets[0])
        else:
            for ticket in tickets:
                again([ticket])

    def _reprocess(self, tickets: Sequence[Ticket]) -> None:
        batch, _ = self.decode.decode([t.request for t in tickets], self.now_ns())
        try:
            self.process(batch)
        except Exception:
            log.exception("request failed", extra={"spans": len(batch)})
            self._each(tickets, self._reprocess, self._drop)

    def _drop(self, ticket: Ticket) -> None:
        _, verdicts = self.decode.decode([ticket.request], self.now_ns())
        dropped = sum(verdict.accepted for verdict in verdicts)
        self.telemetry.spans.add(dropped, {"outcome": "dropped", "reason": "internal"})

    def _count(self, verdict: Verdict) -> None:
        if verdict.accepted:
            self.telemetry.spans.add(verdict.accepted, {"outcome": "accepted", "reason": ""})
        for reason, spans in verdict.rejected.items():
            self.telemetry.spans.add(spans, {"outcome": "rejected", "reason": reason})
