"""For how long each table keeps its rows: an answer about longer says what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clickhouse.reads.usage import Source
from exporter.query.asked import TimeRange
from exporter.spans.schema import CONTENT_TABLE, NANOSECONDS

_DAY_NS = 86_400 * NANOSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Days that rows are kept, by table."""

    days: Mapping[str, int]
    clock: Callable[[], int] = time.time_ns

    @classmethod
    def of(cls, *, spans: int, content: int, minutes: int, hours: int) -> Kept:
        """Return it for the tables there are."""
        return cls(
            days={
                Source.SPANS.value: spans,
                CONTENT_TABLE: content,
                Source.MINUTES.value: minutes,
                Source.HOURS.value: hours,
            }
        )

    def missing_before(self, table: str, asked: TimeRange) -> int | None:
        """Return before which time rows are deleted, None: none of the time asked about are."""
        first_ns = self.clock() - self.days[table] * _DAY_NS
        return first_ns if asked.start_ns < first_ns else None
