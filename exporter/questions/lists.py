"""Top traces, errors, values of dimensions, found prompts."""

from __future__ import annotations

from typing import TypeVar

from clickhouse.reads.lists import ListAsked, errors, top_traces, trace_figures, values_of
from clickhouse.reads.prompts import Wanted, prompts, texts
from clickhouse.reads.session import ReadPool
from clickhouse.reads.usage import ROLLUP_COLUMNS, Source
from exporter.cancellation import Cancellation
from exporter.query.asked import About, Found, Key, Page, TimeRange
from exporter.query.dimensions import DIMENSIONS, columns
from exporter.query.lists import (
    DimensionRow,
    ErrorRow,
    TraceRow,
    ValueRow,
    error_row,
    trace_row,
)
from exporter.query.prompt_search import PromptRow, Search, prompt_row
from exporter.questions.kept import Kept
from exporter.spans.schema import CONTENT_TABLE

_SPANS = Source.SPANS.value
Row = TypeVar("Row")


class ListQuestions:
    """Answers with lists."""

    def __init__(self, pool: ReadPool, kept: Kept) -> None:
        self._pool = pool
        self._kept = kept

    def traces(
        self, about: About, page: Page, order: str, cancellation: Cancellation
    ) -> Found[TraceRow]:
        """Return the first traces in an order: their ids first, then what is shown of them."""
        asked = _asked(about, page)
        with self._pool.session(cancellation) as session:
            found = top_traces(session, asked, order)
            ids = [row["TraceId"] for row in found[: page.limit]]
            shown = trace_figures(session, asked, ids) if ids else {}
        rows = [trace_row(shown[trace_id]) for trace_id in ids if trace_id in shown]
        keys: list[Key] = [(row["OrderValue"], row["TraceId"]) for row in found]
        return self._found(rows, _SPANS, about, keys, page)

    def errors(self, about: About, page: Page, cancellation: Cancellation) -> Found[ErrorRow]:
        """Return how calls ended badly, the most frequent first."""
        with self._pool.session(cancellation) as session:
            records, keys = errors(session, _asked(about, page))
        rows = [error_row(record) for record in records[: page.limit]]
        return self._found(rows, _SPANS, about, keys, page)

    def values(
        self, about: About, page: Page, name: str, search: str, cancellation: Cancellation
    ) -> Found[ValueRow]:
        """Return the values of a dimension that hold a text, in the alphabet's order."""
        (column,) = columns((name,))
        after = str(page.after[0]) if page.after else ""
        with self._pool.session(cancellation) as session:
            records = values_of(session, _asked(about, page), column, search, after)
        rows = [ValueRow(value=each["Value"], spans=each["Spans"]) for each in records]
        keys: list[Key] = [(row.value,) for row in rows]
        return self._found(rows[: page.limit], _SPANS, about, keys, page)

    def dimensions(self, within: TimeRange) -> Found[DimensionRow]:
        """Return every dimension there is."""
        rows = [
            DimensionRow(name=name, column=column, in_rollups=column in ROLLUP_COLUMNS)
            for name, column in DIMENSIONS.items()
        ]
        return Found(rows, _SPANS, within)

    def prompts(
        self,
        about: About,
        page: Page,
        search: Search,
        chars: int | None,
        cancellation: Cancellation,
    ) -> Found[PromptRow]:
        """Return spans whose prompt or answer has it; `chars` of each text, None: all of it."""
        asked = _asked(about, page)
        wanted = Wanted(search.words, search.phrases)
        with self._pool.session(cancellation) as session:
            found = prompts(session, asked, wanted)
            ids = [(row["TraceId"], row["SpanId"]) for row in found[: page.limit]]
            shown = texts(session, asked, ids, wanted, chars=chars) if ids else {}
        rows = [
            prompt_row(row, shown[key], search)
            for key, row in zip(ids, found, strict=False)
            if key in shown
        ]
        keys: list[Key] = [(row["StartNs"], row["TraceId"], row["SpanId"]) for row in found]
        return self._found(rows, CONTENT_TABLE, about, keys, page)

    def _found(
        self, rows: list[Row], table: str, about: About, keys: list[Key], page: Page
    ) -> Found[Row]:
        missing = self._kept.missing_before(table, about.range)
        return Found(rows, table, about.range, _next(keys, page), missing)


def _asked(about: About, page: Page) -> ListAsked:
    return ListAsked(
        start_ns=about.range.start_ns,
        end_ns=about.range.end_ns,
        condition=about.condition,
        limit=page.limit + 1,
        after=page.after,
    )


def _next(keys: list[Key], page: Page) -> Key | None:
    """Return the key of the last row of a page that is not the last."""
    return keys[page.limit - 1] if len(keys) > page.limit else None
