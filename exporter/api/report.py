"""GET /api/report: the digest of the last day or week, for programs and for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from exporter.api.asking import ask
from exporter.api.data.answers import DataRoute
from exporter.cancellation import Cancellation
from exporter.query.form import as_json
from exporter.query.report.digest import Digest, Period
from exporter.query.report.html import html
from exporter.query.report.markdown import markdown
from exporter.query.report.slack import slack

Report = Callable[[Period, date | None, Cancellation], Digest]
"""Return the report of the period that holds a day, None: of the last whole one."""


class ReportForm(StrEnum):
    """How a report is written."""

    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    SLACK = "slack"


def written(digest: Digest, form: ReportForm) -> tuple[bytes, str]:
    """Return a report and its media type."""
    match form:
        case ReportForm.JSON:
            return as_json(digest.model_dump()).encode(), "application/json"
        case ReportForm.MARKDOWN:
            return markdown(digest).encode(), "text/markdown; charset=utf-8"
        case ReportForm.HTML:
            return html(digest).encode(), "text/html; charset=utf-8"
        case ReportForm.SLACK:
            return as_json(slack(digest)).encode(), "application/json"


def report_router(report: Report) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/api", tags=["report"], route_class=DataRoute)

    @router.get(
        "/report",
        response_model=Digest,
        responses={200: {"content": {"text/markdown": {}, "text/html": {}}}},
    )
    async def get_report(
        request: Request,
        period: Annotated[Period, Query(description="A whole day or week, UTC.")] = Period.DAY,
        day: Annotated[
            date | None, Query(alias="on", description="A day of it; else the last that is over.")
        ] = None,
        form: Annotated[
            ReportForm, Query(alias="format", description="slack: the blocks of a message.")
        ] = ReportForm.JSON,
    ) -> Response:
        """Return requests, cost and errors with what is unusual among them."""
        digest = await ask(request, lambda stop: report(period, day, stop))
        content, media_type = written(digest, form)
        return Response(content, media_type=media_type)

    return router
