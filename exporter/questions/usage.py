"""Usage of calls: in sum, by model, by any dimensions and over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clickhouse.reads.session import ReadPool, Session
from clickhouse.reads.usage import Source, UsageAsked, source_for, usage
from exporter.cancellation import Cancellation
from exporter.errors import TooLargeError, WrongQueryError
from exporter.metrics.catalog import DURATION_BUCKETS_S
from exporter.query.asked import About, Found, Grouping, Page, Tables, TimeRange
from exporter.query.dimensions import DIMENSIONS, columns
from exporter.query.times import rfc3339
from exporter.query.usage import (
    NOTHING,
    GroupUsage,
    ModelUsage,
    Record,
    Summary,
    cache_savings,
    compared,
    figures,
)
from exporter.spans.schema import NANOSECONDS

# Models that calls were made of in a time; beyond it the sum of what they saved is not made.
_MODELS_MAX = 10_000
_MODEL = columns(("provider", "model"))
_MINUTE_NS = 60 * NANOSECONDS


class UsageQuestions:
    """Answers questions about usage."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def summary(self, about: About, tables: Tables, cancellation: Cancellation) -> Found[Summary]:
        """Return one row: the usage of a time, compared with the time before."""
        asked, source = _placed(_asked(about, Grouping(()), Page(1)), tables)
        earlier = _range(asked).before
        before = replace(asked, start_ns=earlier.start_ns, end_ns=earlier.end_ns)
        with self._pool.session(cancellation) as session:
            now, then = (_summed(session, each, source) for each in (asked, before))
        return Found([Summary(**compared(now, then))], source.value, _range(asked))

    def models(
        self, about: About, page: Page, order: str, tables: Tables, cancellation: Cancellation
    ) -> Found[ModelUsage]:
        """Return a row for each provider and model."""
        grouping = Grouping(("provider", "model"), order=order)
        with self._pool.session(cancellation) as session:
            found = self._page(session, about, page, grouping, tables)
        seconds = found.range.seconds
        rows = [
            ModelUsage(
                **_named(record, grouping),
                **figures(record, seconds, DURATION_BUCKETS_S),
                cache_savings_usd=cache_savings([record]),
            )
            for record in found.rows
        ]
        return Found(rows, found.source, found.range, found.next)

    def groups(
        self, about: About, page: Page, grouping: Grouping, tables: Tables, cancellation: Cancellation
    ) -> Found[GroupUsage]:
        """Return a row for each group, and for each step of time that has calls."""
        with self._pool.session(cancellation) as session:
            found = self._page(session, about, page, grouping, tables)
        seconds = grouping.step_s or found.range.seconds
        rows = [
            GroupUsage(
                **_named(record, grouping),
                **figures(record, seconds, DURATION_BUCKETS_S),
            )
            for record in found.rows
        ]
        return Found(rows, found.source, found.range, found.next)

    def records(
        self, about: About, by: Sequence[str], limit: int, cancellation: Cancellation
    ) -> Found[Record]:
        """Return every group's figures, by the names of the columns; raise TooLargeError."""
        page = Page(limit)
        with self._pool.session(cancellation) as session:
            found = self._page(session, about, page, Grouping(tuple(by)), Tables.AUTO)
        if found.next is not None:
            raise TooLargeError(f"more than {limit} groups: use fewer dimensions or a selector")
        return found

    def _page(
        self, session: Session, about: About, page: Page, grouping: Grouping, tables: Tables
    ) -> Found[Record]:
        asked, source = _placed(_asked(about, grouping, page), tables)
        records = usage(session, asked, source)
        more = len(records) > page.limit
        last = records[page.limit - 1] if more else None
        first = "TimeS" if grouping.step_s else "OrderValue"
        key = None if last is None else (last[first], *(last[name] for name in asked.by))
        return Found(records[: page.limit], source.value, _range(asked), key)


def _summed(session: Session, asked: UsageAsked, source: Source) -> dict[str, Any]:
    """Return the figures of all groups together, with what caches saved."""
    sums = usage(session, asked, source)
    models = usage(session, replace(asked, by=_MODEL, limit=_MODELS_MAX), source)
    savings = cache_savings(models) if len(models) < _MODELS_MAX else None
    seconds = _range(asked).seconds
    record = sums[0] if sums else NOTHING
    return figures(record, seconds, DURATION_BUCKETS_S) | {"cache_savings_usd": savings}


def _asked(about: About, grouping: Grouping, page: Page) -> UsageAsked:
    return UsageAsked(
        start_ns=about.range.start_ns,
        end_ns=about.range.end_ns,
        condition=about.condition,
        by=columns(grouping.by),
        step_s=grouping.step_s,
        order=grouping.order,
        limit=page.limit + 1,
        after=page.after,
    )


def _placed(asked: UsageAsked, tables: Tables) -> tuple[UsageAsked, Source]:
    """Return the table to read, and the question with its time widened where that was asked for."""
    if tables is Tables.SPANS:
        return asked, Source.SPANS
    if tables is Tables.ROLLUP:
        whole = TimeRange(asked.start_ns, asked.end_ns).widened(_MINUTE_NS)
        asked = replace(asked, start_ns=whole.start_ns, end_ns=whole.end_ns)
    source = source_for(asked)
    if tables is Tables.ROLLUP and source is Source.SPANS:
        raise WrongQueryError(
            "the usage by minute cannot answer this: it has no user, session, endpoint or other "
            "detail of single spans, and no step shorter than a minute; leave out source=rollup"
        )
    return asked, source


def _range(asked: UsageAsked) -> TimeRange:
    return TimeRange(asked.start_ns, asked.end_ns)


def _named(record: Record, grouping: Grouping) -> dict[str, Any]:
    time = {"time": rfc3339(record["TimeS"] * NANOSECONDS)} if grouping.step_s else {}
    return time | {name: record[DIMENSIONS[name]] for name in grouping.by}
