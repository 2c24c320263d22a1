"""GET /api/traces, /api/errors, /api/prompts, /api/dimensions: lists, page by page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from exporter.api.data.answers import DataRoute, answer, documented
from exporter.api.data.asked import PageAsked, RangeAsked
from exporter.cancellation import Cancellation
from exporter.query.asked import About, Found, Page, TimeRange
from exporter.query.lists import DimensionRow, ErrorRow, TraceRow, ValueRow
from exporter.query.prompt_search import PromptRow, Search, search

# A search shows what a line or two of a table can.
_SNIPPET_CHARS_MAX = 2000
_PROMPTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class ListAnswers:
    """Who answers these questions."""

    traces: Callable[[About, Page, str, Cancellation], Found[TraceRow]]
    errors: Callable[[About, Page, Cancellation], Found[ErrorRow]]
    values: Callable[[About, Page, str, str, Cancellation], Found[ValueRow]]
    dimensions: Callable[[TimeRange], Found[DimensionRow]]
    prompts: Callable[[About, Page, Search, int | None, Cancellation], Found[PromptRow]]


class TracesAsked(PageAsked):
    """Parameters of the list of traces."""

    order: Literal["cost", "duration", "tokens", "errors", "time"] = Field(
        "cost",
        description="What traces are ordered by, the largest or latest first. cost and tokens list "
        "traces with calls, errors those with failed spans; estimates count in the order.",
    )
    limit: int = Field(20, ge=1, le=1000, description="Most traces of this page.")


class ErrorsAsked(PageAsked):
    """Parameters of the errors."""


class PromptsAsked(PageAsked):
    """Parameters of the search."""

    search: str = Field(
        max_length=1000,
        description="Words, and phrases in double quotes; a prompt or answer has all of them.",
        examples=['refund "credit card"'],
    )
    snippet_chars: int = Field(
        200, ge=20, le=_SNIPPET_CHARS_MAX, description="Characters shown of each text."
    )
    content: bool = Field(False, description="Return the whole texts instead of snippets.")
    limit: int = Field(20, ge=1, le=_PROMPTS_MAX, description="Most spans of this page.")


class ValuesAsked(PageAsked):
    """Parameters of a dimension's values."""

    search: str = Field("", max_length=200, description="Only values with this text.")


def lists_router(answers: ListAnswers) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api", tags=["lists"], route_class=DataRoute)

    @router.get("/traces", **documented(TraceRow))
    async def traces(request: Request, asked: Annotated[TracesAsked, Query()]) -> Response:
        """List traces by cost, duration, tokens, errors or time.

        With a selector: traces that have such a span, with the figures of all their spans.
        """
        about, page = asked.paged(request.url.path)
        return await answer(
            request, asked, TraceRow, lambda stop: answers.traces(about, page, asked.order, stop)
        )

    @router.get("/errors", **documented(ErrorRow))
    async def errors(request: Request, asked: Annotated[ErrorsAsked, Query()]) -> Response:
        """Say how calls ended badly: outcome, error and model, with traces and messages."""
        about, page = asked.paged(request.url.path)
        return await answer(
            request, asked, ErrorRow, lambda stop: answers.errors(about, page, stop)
        )

    @router.get("/prompts", **documented(PromptRow))
    async def prompts(request: Request, asked: Annotated[PromptsAsked, Query()]) -> Response:
        """Search prompts and answers; the latest first, with where each text has the words."""
        about, page = asked.paged(request.url.path)
        wanted = search(asked.search)
        chars = None if asked.content else asked.snippet_chars
        return await answer(
            request,
            asked,
            PromptRow,
            lambda stop: answers.prompts(about, page, wanted, chars, stop),
        )

    @router.get("/dimensions", **documented(DimensionRow))
    async def dimensions(request: Request, asked: Annotated[RangeAsked, Query()]) -> Response:
        """List what usage can be grouped and selected by."""
        within = asked.about().range
        return await answer(request, asked, DimensionRow, lambda _: answers.dimensions(within))

    @router.get("/dimensions/{name}", **documented(ValueRow))
    async def values(
        request: Request, name: str, asked: Annotated[ValuesAsked, Query()]
    ) -> Response:
        """List the values of a dimension, for a variable of a dashboard."""
        about, page = asked.paged(request.url.path)
        return await answer(
            request,
            asked,
            ValueRow,
            lambda stop: answers.values(about, page, name, asked.search, stop),
        )

    return router
