"""GET /api/flamegraph and /api/flamegraph/diff: flame graphs to take away, and for Infinity."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from exporter.api.asking import ask
from exporter.api.data.answers import DataRoute, problems
from exporter.cancellation import Cancellation
from exporter.query.asked import TimeRange
from exporter.query.flame.diff import diff
from exporter.query.flame.fold import fold
from exporter.query.flame.tree import FlameTree
from exporter.query.flame_export import File, Form, Wanted, export, export_diff, profile_query
from exporter.query.profiles.fold_diff import fold_diff
from exporter.query.profiles.request import ProfileQuery
from exporter.query.times import time_range

FlameGraph = Callable[[ProfileQuery, Cancellation], FlameTree]

_NODES_MAX = 100_000
_SELECTOR = "A selector of labels. Empty: every span."


class FlameAsked(BaseModel):
    """Parameters of a flame graph."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type: str = Field(
        "cost",
        max_length=100,
        description="cost, tokens, tokens_input, tokens_cache_read, tokens_cache_write, "
        "tokens_output, tokens_reasoning, calls, errors, wall (or duration) or work.",
    )
    start: str = Field("now-1h", alias="from", max_length=100, description="From when.")
    end: str = Field("now", alias="to", max_length=100, description="To before when.")
    query: str = Field("", max_length=10_000, description=_SELECTOR, examples=['{model="gpt-4o"}'])
    by: str = Field(
        "",
        max_length=500,
        description="Labels that the levels are made of, or token_type; empty: spans below spans.",
        examples=["feature,model,token_type"],
    )
    max_nodes: int = Field(
        2048,
        ge=2,
        le=_NODES_MAX,
        description="Most frames; the smallest beyond it become `other`, no value is lost.",
    )
    format: Form = Field(
        Form.JSON,
        description="json: frames depth first, exact integers. nested_set: the same frames as "
        "a bare list for Grafana's Flame graph panel, cost in dollars; csv: the same as a "
        "table. folded, speedscope, d3, pprof, svg: files for other tools.",
    )

    def within(self) -> TimeRange:
        """Return the time; raise WrongQueryError."""
        return time_range(self.start, self.end, time.time_ns())

    def wanted(self, within: TimeRange) -> Wanted:
        """Return what is asked for, of a time."""
        return Wanted(kind=self.type, within=within, query=self.query, by=self.by)


class OneAsked(FlameAsked):
    """Parameters of one flame graph."""

    trace_id: str = Field("", max_length=32, description="Only this trace, whenever it ran.")
    span_id: str = Field("", max_length=16, description="Only what is at or below this span.")


class DiffAsked(FlameAsked):
    """Parameters of a diff: the flame graph asked for, on the right, against a baseline."""

    base_start: str = Field(
        "",
        alias="base_from",
        max_length=100,
        description="Baseline's start; empty: the time before.",
    )
    base_end: str = Field("", alias="base_to", max_length=100, description="End of the baseline.")
    base_query: str | None = Field(
        None, max_length=10_000, description=f"{_SELECTOR} Absent: as query."
    )

    @property
    def base_selector(self) -> str:
        """The baseline's selector."""
        return self.query if self.base_query is None else self.base_query

    def base_within(self, within: TimeRange) -> TimeRange:
        """Return the baseline's time; raise WrongQueryError."""
        if not self.base_start and not self.base_end:
            return within if self.base_query is not None else within.before
        return time_range(self.base_start or self.start, self.base_end or "now", time.time_ns())


def flamegraph_router(flame_graph: FlameGraph) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/flamegraph", tags=["flame graphs"], route_class=DataRoute)
    media = ("application/json", "text/csv", "text/plain", "image/svg+xml")
    content = {name: {"schema": {}} for name in (*media, "application/octet-stream")}
    described = {200: {"description": "The flame graph.", "content": content}} | problems()

    @router.get("", responses=described)
    async def flamegraph(request: Request, asked: Annotated[OneAsked, Query()]) -> Response:
        """Return a flame graph of cost, tokens, calls, errors or time, in the form asked for."""
        query = profile_query(
            replace(asked.wanted(asked.within()), trace_id=asked.trace_id, span_id=asked.span_id)
        )

        def question(cancellation: Cancellation) -> File:
            tree = flame_graph(query, cancellation)
            cancellation.check()
            return export(fold(tree, asked.max_nodes), query, asked.format)

        return _answer(await ask(request, question))

    @router.get("/diff", responses=described)
    async def difference(request: Request, asked: Annotated[DiffAsked, Query()]) -> Response:
        """Return two flame graphs on each other: the baseline left, what is asked for right."""
        within = asked.within()
        right = asked.wanted(within)
        left = replace(asked.wanted(asked.base_within(within)), query=asked.base_selector)
        queries = profile_query(left), profile_query(right)

        def question(cancellation: Cancellation) -> File:
            both = diff(*(flame_graph(each, cancellation) for each in queries))
            cancellation.check()
            return export_diff(fold_diff(both, asked.max_nodes), queries[1], asked.format)

        return _answer(await ask(request, question))

    return router


def _answer(file: File) -> Response:
    return Response(file.body, media_type=file.media)
