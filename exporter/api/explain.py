"""GET /api/explain/{trace_id}: how each span of a trace became what it is counted as."""

from __future__ import annotations

import re
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from exporter.api.asking import ask, status_of
from exporter.cancellation import Cancellation
from exporter.errors import ObservatoryError
from exporter.query.explanation import TraceExplanation

_TRACE_ID = re.compile(r"[0-9a-f]{32}")

Explain = Callable[[str, Cancellation], TraceExplanation | None]
"""Return the explanation of a trace by its id, None when no spans of it are stored."""


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


def explain_router(explain: Explain) -> APIRouter:
    """Return the route; a malformed id is 400, an unknown trace 404."""
    router = APIRouter(prefix="/api", tags=["explain"])
    problems = {
        400: "The id is not 32 hex digits.",
        404: "No spans of the trace are stored.",
        413: "The trace has too many spans.",
        429: "Too many questions at once.",
        503: "The store does not answer.",
    }

    @router.get(
        "/explain/{trace_id}",
        response_model=TraceExplanation,
        responses={
            status: {"model": Problem, "description": text} for status, text in problems.items()
        },
    )
    async def explain_trace(trace_id: str, request: Request) -> Response | TraceExplanation:
        """Explain the usage and cost of each span, with the rules and prices of today."""
        wanted = trace_id.lower()
        if not _TRACE_ID.fullmatch(wanted):
            return _problem(400, "a trace id is 32 hex digits")
        try:
            found = await ask(request, lambda cancellation: explain(wanted, cancellation))
        except ObservatoryError as error:
            return _problem(status_of(error), str(error))
        return found or _problem(404, f"no spans of trace {wanted} are stored")

    return router


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
