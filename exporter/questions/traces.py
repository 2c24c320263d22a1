"""One trace: its waterfall, and itself as OTLP."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clickhouse.reads.session import ReadPool
from clickhouse.reads.traces import trace
from clickhouse.reads.usage import Source
from clickhouse.reads.waterfall import waterfall_spans
from exporter.cancellation import Cancellation
from exporter.query.asked import Found, Page, TimeRange
from exporter.query.otlp_json import otlp_json
from exporter.query.stored import rebuild
from exporter.query.waterfall import WaterfallSpan, waterfall
from exporter.spans.schema import COLLECTOR_COLUMNS, FIDELITY_COLUMNS

_OF_OTLP = (*COLLECTOR_COLUMNS, *FIDELITY_COLUMNS)


class TraceQuestions:
    """Answers questions about one trace."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def spans(
        self, trace_id: str, page: Page, cancellation: Cancellation
    ) -> Found[WaterfallSpan] | None:
        """Return the spans below their parents, None where the trace is not stored."""
        with self._pool.session(cancellation) as session:
            records = waterfall_spans(session, trace_id)
        if not records:
            return None
        start = min(record["StartNs"] for record in records)
        end = max(record["StartNs"] + record["DurationNs"] for record in records)
        first = page.after[0] if page.after else 0
        every = len(records)
        at = int(first) if isinstance(first, int) and 0 <= first <= every else every
        behind = at + page.limit
        following = (behind,) if behind < every else None
        found = TimeRange(start, max(end, start + 1))
        return Found(waterfall(records, at, behind), Source.SPANS.value, found, following)

    def otlp(
        self, trace_id: str, cancellation: Cancellation, *, content: bool
    ) -> dict[str, Any] | None:
        """Return the trace as OTLP/JSON, None where it is not stored; prompts only with `content`.

        Raise TooLargeError.
        """
        with self._pool.session(cancellation) as session:
            table = trace(session, trace_id, None if content else ())
        if table is None:
            return None
        if not content:
            table = table.drop_columns(
                ["ContentAttributes", "ContentAttributeTypes", "ContentAttributePositions"]
            )
        return otlp_json(ExportTraceServiceRequest.FromString(rebuild(table).request))

    def viewed(self, trace_id: str, cancellation: Cancellation) -> bytes | None:
        """Return a trace for a viewer as the bytes of a TracesData, None when it is not stored."""
        with (
            self._pool.session(cancellation) as session,
            self._pool.another(cancellation) as beside,
        ):
            table = trace(session, trace_id, None, _OF_OTLP, beside=beside)
        return None if table is None else rebuild(table, for_viewers=True).request
