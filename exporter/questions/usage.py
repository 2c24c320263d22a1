"""Usage of calls: in sum, by model, by any dimensions and over time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clickhouse.reads.session import ReadPool, Session
from clickhouse.reads.usage import Figures, Source, UsageAsked, source_for, usage
from exporter.cancellation import Cancellation
from exporter.errors import TooLargeError, WrongQueryError
from exporter.metrics.catalog import DURATION_BUCKETS_S
from exporter.query.asked import About, Found, Grouping, Page, Tables, TimeRange
from exporter.query.changes import CostChange, changes
from exporter.query.dimensions import DIMENSIONS, columns
from exporter.query.flows import Area, Link, Shape, sankey, treemap
from exporter.query.times import rfc3339
from exporter.query.usage import (
    NOTHING,
    GroupUsage,
    ModelUsage,
    Record,
    Summary,
    added,
    cache_savings,
    compared,
    figures,
)
from exporter.questions.kept import Kept
from exporter.spans.schema import NANOSECONDS

# Models that calls were made of in a time; beyond it the sum of what they saved is not made.
_MODELS_MAX = 10_000
# Groups that are held in memory to draw a picture of them, about 2 kB each.
_GROUPS_MAX = 20_000
_MODEL = columns(("provider", "model"))
_MINUTE_NS = 60 * NANOSECONDS


class UsageQuestions:
    """Answers questions about usage."""

    def __init__(self, pool: ReadPool, kept: Kept, models_max: int = _MODELS_MAX) -> None:
        self._pool = pool
        self._kept = kept
        self._models_max = models_max

    def summary(self, about: About, tables: Tables, cancellation: Cancellation) -> Found[Summary]:
        """Return one row: the usage of a time, compared with the time before."""
        asked = _asked(about, Grouping(()), Page(1))
        asked, source = self._placed(asked, tables, about.range.before.start_ns)
        earlier = _range(asked).before
        before = replace(asked, start_ns=earlier.start_ns, end_ns=earlier.end_ns)
        with self._pool.session(cancellation) as session:
            now, then = (self._summed(session, each, source) for each in (asked, before))
        both = TimeRange(earlier.start_ns, asked.end_ns)
        missing = self._kept.missing_before(source.value, both)
        return Found([Summary(**compared(now, then))], source.value, _range(asked), None, missing)

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
        return found.with_rows(rows)

    def groups(
        self,
        about: About,
        page: Page,
        grouping: Grouping,
        tables: Tables,
        cancellation: Cancellation,
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
        return found.with_rows(rows)

    def sankey(
        self,
        about: About,
        shape: Shape,
        tables: Tables,
        cancellation: Cancellation,
    ) -> Found[Link]:
        """Return the links between dimensions, and the nodes as `nodes`."""
        by = _by_name(shape.by)
        with self._pool.session(cancellation) as session:
            found = self._all(session, about, shape.by, tables)
        links, nodes = sankey(found.rows, by, shape.measure, shape.top)
        return found.with_rows(links, {"nodes": nodes})

    def treemap(
        self, about: About, shape: Shape, tables: Tables, cancellation: Cancellation
    ) -> Found[Area]:
        """Return nested areas."""
        by = _by_name(shape.by)
        with self._pool.session(cancellation) as session:
            found = self._all(session, about, shape.by, tables)
        areas = treemap(found.rows, by, shape.measure, shape.top)
        return found.with_rows(areas)

    def changes(
        self, about: About, by: tuple[str, ...], tables: Tables, cancellation: Cancellation
    ) -> Found[CostChange]:
        """Return why the cost of each group changed since the time of the same length before."""
        with_model = tuple(dict.fromkeys((*by, "provider", "model")))
        with self._pool.session(cancellation) as session:
            about = replace(about, since_ns=about.range.before.start_ns)
            now = self._all(session, about, with_model, tables)
            then = self._all(session, about.at(now.range.before), with_model, tables)
        rows = changes(now.rows, then.rows, _by_name(by))
        return then.with_rows(rows).about(now.range)

    def _all(
        self, session: Session, about: About, by: tuple[str, ...], tables: Tables
    ) -> Found[Record]:
        """Return every group's figures; raise TooLargeError."""
        found = self._page(session, about, Page(_GROUPS_MAX), Grouping(by), tables)
        if found.next is not None:
            raise TooLargeError(
                f"more than {_GROUPS_MAX:,} groups: name fewer dimensions, or select fewer calls"
            )
        return found

    def _page(
        self, session: Session, about: About, page: Page, grouping: Grouping, tables: Tables
    ) -> Found[Record]:
        asked, source = self._placed(_asked(about, grouping, page), tables, about.since_ns)
        records = usage(session, asked, source)
        more = len(records) > page.limit
        last = records[page.limit - 1] if more else None
        first = "TimeS" if grouping.step_s else "OrderValue"
        key = None if last is None else (last[first], *(last[name] for name in asked.by))
        rows: list[Record] = [*records[: page.limit]]
        missing = self._kept.missing_before(source.value, _range(asked))
        return Found(rows, source.value, _range(asked), key, missing)

    def _summed(self, session: Session, asked: UsageAsked, source: Source) -> dict[str, Any]:
        """Return the figures of all groups together, with what caches saved."""
        by_model = replace(asked, by=_MODEL, limit=self._models_max, figures=Figures.SUMS)
        models = usage(session, by_model, source)
        whole = len(models) < self._models_max
        savings = cache_savings(models) if whole else None
        # The models' sums are added here, and percentiles, which cannot be, asked for alone: to
        # ask for every figure twice would take nearly twice as long.
        sums = added(models) if whole else {}
        rest = replace(asked, figures=Figures.TIMES if whole else Figures.ALL)
        found = usage(session, rest, source) if models else []
        record = {**NOTHING, **(found[0] if found else {}), **sums}
        seconds = _range(asked).seconds
        return figures(record, seconds, DURATION_BUCKETS_S) | {"cache_savings_usd": savings}

    def _placed(
        self, asked: UsageAsked, tables: Tables, since_ns: int | None
    ) -> tuple[UsageAsked, Source]:
        """Return the table to read, and the question, its time widened if need be.

        With `since_ns` the table is the one for all the time from there.
        """
        if tables is Tables.SPANS:
            return asked, Source.SPANS
        if tables is Tables.ROLLUP:
            whole = _range(asked).widened(_MINUTE_NS)
            asked = replace(asked, start_ns=whole.start_ns, end_ns=whole.end_ns)
        source = source_for(asked)
        if tables is Tables.ROLLUP and source is Source.SPANS:
            raise WrongQueryError(
                "the usage by minute cannot answer this: it has no user, session, endpoint or "
                "other detail of single spans, and no step shorter than a minute; leave out "
                "source=rollup"
            )
        if source is Source.MINUTES and tables is Tables.AUTO:
            # Spans may be kept for longer.
            start_ns = asked.start_ns if since_ns is None else since_ns
            minutes, spans = (
                self._kept.missing_before(each.value, TimeRange(start_ns, asked.end_ns))
                for each in (Source.MINUTES, Source.SPANS)
            )
            if minutes is not None and (spans is None or spans < minutes):
                source = Source.SPANS
        return asked, source


def _by_name(by: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(by, columns(by), strict=True))


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


def _range(asked: UsageAsked) -> TimeRange:
    return TimeRange(asked.start_ns, asked.end_ns)


def _named(record: Record, grouping: Grouping) -> dict[str, Any]:
    time = {"time": rfc3339(record["TimeS"] * NANOSECONDS)} if grouping.step_s else {}
    return time | {name: record[DIMENSIONS[name]] for name in grouping.by}
