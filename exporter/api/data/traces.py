"""GET /api/traces/{trace_id}/spans and /otlp: one trace."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from exporter.api.asking import ask
from exporter.api.data.answers import DataRoute, answer, as_text, documented, problem, problems
from exporter.api.data.asked import Paged
from exporter.cancellation import Cancellation
from exporter.errors import WrongQueryError
from exporter.query.asked import Found, Page
from exporter.query.waterfall import WaterfallSpan

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class TraceAnswers:
    """Who answers these questions; None: the trace is not stored."""

    spans: Callable[[str, Page, Cancellation], Found[WaterfallSpan] | None]
    otlp: Callable[[str, Cancellation], dict[str, Any] | None]
    otlp_without_content: Callable[[str, Cancellation], dict[str, Any] | None]


class SpansAsked(Paged):
    """Parameters of a trace's spans."""

    limit: int = Field(1000, ge=1, le=10_000, description="Most spans of this page.")


class OtlpAsked(BaseModel):
    """Parameters of the hand-over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: bool = Field(True, description="With prompts and answers, where they are stored.")


def traces_router(answers: TraceAnswers) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/traces", tags=["traces"], route_class=DataRoute)

    @router.get("/{trace_id}/spans", **documented(WaterfallSpan))
    async def spans(
        request: Request, trace_id: str, asked: Annotated[SpansAsked, Query()]
    ) -> Response:
        """Return the spans as a waterfall draws them, with cost and the critical path."""
        wanted = known_trace_id(trace_id)
        place = asked.place(request.url.path)
        page = Page(asked.limit, place.after if place else None)
        return await answer(
            request, asked, WaterfallSpan, lambda stop: answers.spans(wanted, page, stop)
        )

    otlp_answer: dict[int | str, Any] = {
        200: {
            "description": "An ExportTraceServiceRequest in OTLP/JSON, as /v1/traces takes it.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    }

    @router.get("/{trace_id}/otlp", responses=otlp_answer | problems())
    async def otlp(
        request: Request, trace_id: str, asked: Annotated[OtlpAsked, Query()]
    ) -> Response:
        """Hand a trace over as OTLP/JSON: any collector, and this service, can import it."""
        wanted = known_trace_id(trace_id)
        question = answers.otlp if asked.content else answers.otlp_without_content
        found = await ask(request, lambda stop: question(wanted, stop))
        if found is None:
            return problem(404, "no spans of this trace are stored")
        headers = {"Content-Disposition": f'attachment; filename="{wanted}.otlp.json"'}
        return Response(await as_text(found), 200, headers, "application/json")

    return router


def known_trace_id(text: str) -> str:
    """Return a trace id in lower case; raise WrongQueryError."""
    wanted = text.lower()
    if not _TRACE_ID.fullmatch(wanted):
        raise WrongQueryError("a trace id is 32 hex digits")
    return wanted
