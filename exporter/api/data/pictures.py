"""GET /api/costs/sankey, /treemap, /changes: what pictures of cost are drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from exporter.api.data.answers import Answer, DataRoute, answer, documented
from exporter.api.data.asked import Dimensions, RangeAsked, SourceAsked, names
from exporter.cancellation import Cancellation
from exporter.errors import WrongQueryError
from exporter.query.asked import About, Found, Tables
from exporter.query.changes import CostChange
from exporter.query.flows import Area, Link, Measure, Node, Shape

_SANKEY_DIMENSIONS = range(2, 5)


@dataclass(frozen=True, slots=True)
class PictureAnswers:
    """Who answers these questions."""

    sankey: Callable[[About, Shape, Tables, Cancellation], Found[Link]]
    treemap: Callable[[About, Shape, Tables, Cancellation], Found[Area]]
    changes: Callable[[About, tuple[str, ...], Tables, Cancellation], Found[CostChange]]


class SankeyAnswer(Answer[Link]):
    """Links, which are the rows, and their nodes."""

    nodes: list[Node]


class SankeyAsked(RangeAsked, SourceAsked):
    """Parameters of a picture."""

    by: Dimensions = "model,feature"
    measure: Measure = Field("cost", description="What is kept and put first: the largest by it.")
    top: int = Field(
        12, ge=1, le=100, description="Values kept of a dimension; the rest becomes (other)."
    )

    def shape(self) -> Shape:
        """Return what the picture shows; raise WrongQueryError."""
        return Shape(names(self.by), self.measure, self.top)


class TreemapAsked(SankeyAsked):
    """Parameters of the treemap."""

    by: Dimensions = "provider,model"


class ChangesAsked(RangeAsked, SourceAsked):
    """Parameters of the changes."""

    by: Dimensions = "model"


def pictures_router(answers: PictureAnswers) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/costs", tags=["usage"], route_class=DataRoute)

    @router.get("/sankey", **documented(Link, SankeyAnswer))
    async def sankey(request: Request, asked: Annotated[SankeyAsked, Query()]) -> Response:
        """Return cost, tokens and calls as flows between two to four dimensions."""
        about, shape = asked.about(), asked.shape()
        if len(shape.by) not in _SANKEY_DIMENSIONS:
            raise WrongQueryError("by: name two to four dimensions, like model,feature,user_id")
        return await answer(
            request, asked, Link, lambda stop: answers.sankey(about, shape, asked.source, stop)
        )

    @router.get("/treemap", **documented(Area))
    async def treemap(request: Request, asked: Annotated[TreemapAsked, Query()]) -> Response:
        """Return cost, tokens and calls as nested areas."""
        about, shape = asked.about(), asked.shape()
        if not shape.by:
            raise WrongQueryError("by: name a dimension, like provider,model")
        return await answer(
            request, asked, Area, lambda stop: answers.treemap(about, shape, asked.source, stop)
        )

    @router.get("/changes", **documented(CostChange))
    async def changes(request: Request, asked: Annotated[ChangesAsked, Query()]) -> Response:
        """Say why cost changed since the time before: added, removed, volume, price."""
        about, by = asked.about(), names(asked.by)
        return await answer(
            request, asked, CostChange, lambda stop: answers.changes(about, by, asked.source, stop)
        )

    return router
