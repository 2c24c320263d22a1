"""GET /api/summary, /api/models, /api/costs: what calls used and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from exporter.api.data.answers import DataRoute, answer, documented
from exporter.api.data.asked import Dimensions, Order, PageAsked, RangeAsked, SourceAsked, names
from exporter.cancellation import Cancellation
from exporter.query.asked import About, Found, Grouping, Page, Tables
from exporter.query.times import step_s
from exporter.query.usage import GroupUsage, ModelUsage, Summary


@dataclass(frozen=True, slots=True)
class UsageAnswers:
    """Who answers these questions."""

    summary: Callable[[About, Tables, Cancellation], Found[Summary]]
    models: Callable[[About, Page, str, Tables, Cancellation], Found[ModelUsage]]
    groups: Callable[[About, Page, Grouping, Tables, Cancellation], Found[GroupUsage]]


class SummaryAsked(RangeAsked, SourceAsked):
    """Parameters of the summary."""


class ModelsAsked(PageAsked, SourceAsked):
    """Parameters of the models."""

    order: Order = "cost"


class CostsAsked(ModelsAsked):
    """Parameters of usage by dimensions."""

    by: Dimensions = "model"
    step: str = Field(
        "",
        max_length=20,
        description="Length of the steps of time, like 5m or 1h; rows are then ordered by time.",
        examples=["1h"],
    )


def usage_router(answers: UsageAnswers) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api", tags=["usage"], route_class=DataRoute)

    @router.get("/summary", **documented(Summary))
    async def summary(request: Request, asked: Annotated[SummaryAsked, Query()]) -> Response:
        """Return one row: requests, errors, tokens, cost and latency, and their change."""
        about = asked.about()
        return await answer(
            request, asked, Summary, lambda stop: answers.summary(about, asked.source, stop)
        )

    @router.get("/models", **documented(ModelUsage))
    async def models(request: Request, asked: Annotated[ModelsAsked, Query()]) -> Response:
        """Compare the models of each provider."""
        about, page = asked.paged(request.url.path)
        return await answer(
            request,
            asked,
            ModelUsage,
            lambda stop: answers.models(about, page, asked.order, asked.source, stop),
        )

    @router.get("/costs", **documented(GroupUsage))
    async def costs(request: Request, asked: Annotated[CostsAsked, Query()]) -> Response:
        """Return usage and cost by any dimensions, and over time where a step is given."""
        about, page = asked.paged(request.url.path)
        grouping = Grouping(names(asked.by), step_s(asked.step, about.range), asked.order)
        return await answer(
            request,
            asked,
            GroupUsage,
            lambda stop: answers.groups(about, page, grouping, asked.source, stop),
        )

    return router
