"""The routes. Every question runs in a thread and ends when its client hangs up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from exporter.api.asking import ask, status_of
from exporter.api.tempo import answers, parameters
from exporter.cancellation import Cancellation
from exporter.errors import ObservatoryError
from exporter.query.search import FoundTraces, Search, Series, SeriesSearch, ValuesSearch
from exporter.query.traceql.evaluate import Shown
from exporter.query.wire import message
from exporter.spans.condition import Scope

_PROTOBUF = "application/protobuf"
# The version of Tempo whose answers these are: Grafana turns features on by it.
_TEMPO_VERSION = "2.8.0"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class TempoQuestions:
    """What the routes ask, as callables; each raises ObservatoryError."""

    trace: Callable[[str, Cancellation], bytes | None]
    """A trace by its id as the bytes of a TracesData, None: no spans of it are stored."""
    search: Callable[[Search, Cancellation], FoundTraces]
    series: Callable[[SeriesSearch, Cancellation], Sequence[Series]]
    keys: Callable[[int, int, Cancellation], dict[Scope, list[str]]]
    values: Callable[[ValuesSearch, Cancellation], Sequence[Shown]]


def tempo_router(
    questions: TempoQuestions, *, now_ns: Callable[[], int] = time.time_ns
) -> APIRouter:
    """Return the routes below /tempo."""
    router = APIRouter(prefix="/tempo", tags=["tempo"])
    _traces(router, questions)
    _searches(router, questions, now_ns)
    _tags(router, questions, now_ns)
    _metrics(router, questions, now_ns)

    @router.get("/api/echo", response_class=PlainTextResponse)
    async def echo() -> str:
        """Say that somebody is there."""
        return "echo"

    @router.get("/ready", response_class=PlainTextResponse)
    async def ready() -> str:
        """The same, for Grafana's older test."""
        return "ready"

    @router.get("/api/status/buildinfo")
    async def build_info() -> dict[str, str]:
        """Say which version of Tempo's API this is."""
        return {"version": _TEMPO_VERSION}

    return router


def _traces(router: APIRouter, questions: TempoQuestions) -> None:
    @router.get("/api/v2/traces/{trace_id}")
    async def trace_v2(trace_id: str, request: Request) -> Response:
        """Return a trace: protobuf if `Accept` says so, else JSON."""
        return await _trace(questions, trace_id, request, version=2)

    @router.get("/api/traces/{trace_id}")
    async def trace_v1(trace_id: str, request: Request) -> Response:
        """Return a trace without what surrounds it in version 2."""
        return await _trace(questions, trace_id, request, version=1)


async def _trace(
    questions: TempoQuestions, text: str, request: Request, *, version: int
) -> Response:
    wants_protobuf = _PROTOBUF in request.headers.get("accept", "")
    try:
        trace_id = parameters.trace_id(text)
        found = await ask(request, lambda cancellation: questions.trace(trace_id, cancellation))
    except ObservatoryError as error:
        return _problem(error)
    if found is None and wants_protobuf and version == 2:
        # Of an empty trace Grafana says that it was not found; a 404 it calls an error.
        found = b""
    if found is None:
        return PlainTextResponse(f"no spans of trace {trace_id} are stored", 404)
    if wants_protobuf:
        body = message(b"\x0a", found) if version == 2 else found
        return Response(body, media_type=_PROTOBUF)
    said = json_format.MessageToDict(TracesData.FromString(found))
    # Version 1 keeps the name that the member had before.
    as_said = {"trace": said} if version == 2 else {"batches": said.get("resourceSpans", [])}
    return JSONResponse(as_said)


def _searches(router: APIRouter, questions: TempoQuestions, now_ns: Callable[[], int]) -> None:
    @router.get("/api/search")
    async def search(request: Request) -> Response:
        """Find traces by TraceQL (`q`) or by `tags`, `minDuration` and `maxDuration`."""
        return await _answer(
            request,
            lambda: parameters.search_of(request.query_params, now_ns()),
            questions.search,
            answers.search_json,
        )


def _tags(router: APIRouter, questions: TempoQuestions, now_ns: Callable[[], int]) -> None:
    def keys(asked: parameters.Time, cancellation: Cancellation) -> dict[Scope, list[str]]:
        return questions.keys(asked.start_ns, asked.end_ns, cancellation)

    @router.get("/api/v2/search/tags")
    async def tags_v2(request: Request) -> Response:
        """Return the attribute keys of recent spans, by scope."""
        try:
            scope = parameters.scope_of(request.query_params)
        except ObservatoryError as error:
            return _problem(error)
        return await _answer(
            request,
            lambda: parameters.time_of(request.query_params, now_ns()),
            keys,
            lambda found: answers.tags_json(found, scope),
        )

    @router.get("/api/search/tags")
    async def tags_v1(request: Request) -> Response:
        """Return the attribute keys of recent spans."""
        return await _answer(
            request,
            lambda: parameters.time_of(request.query_params, now_ns()),
            keys,
            answers.old_tags_json,
        )

    @router.get("/api/v2/search/tag/{tag:path}/values")
    async def values_v2(tag: str, request: Request) -> Response:
        """Return the values of a field in recent spans, with their types."""
        return await _answer(
            request,
            lambda: parameters.values_of(tag, request.query_params, now_ns()),
            questions.values,
            answers.values_json,
        )

    @router.get("/api/search/tag/{tag:path}/values")
    async def values_v1(tag: str, request: Request) -> Response:
        """Return the values of a field in recent spans."""
        return await _answer(
            request,
            lambda: parameters.values_of(tag, request.query_params, now_ns()),
            questions.values,
            answers.old_values_json,
        )


def _metrics(router: APIRouter, questions: TempoQuestions, now_ns: Callable[[], int]) -> None:
    @router.get("/api/metrics/query_range")
    async def query_range(request: Request) -> Response:
        """Return series over time."""
        return await _answer(
            request,
            lambda: parameters.series_of(request.query_params, now_ns(), instant=False),
            questions.series,
            answers.range_json,
        )

    @router.get("/api/metrics/query")
    async def query(request: Request) -> Response:
        """Return one number for each set of labels."""
        return await _answer(
            request,
            lambda: parameters.series_of(request.query_params, now_ns(), instant=True),
            questions.series,
            answers.instant_json,
        )


Asked = TypeVar("Asked")


async def _answer(
    request: Request,
    asked: Callable[[], Asked],
    question: Callable[[Asked, Cancellation], Answer],
    said: Callable[[Answer], Any],
) -> Response:
    try:
        wanted = asked()
        found = await ask(request, lambda cancellation: question(wanted, cancellation))
    except ObservatoryError as error:
        return _problem(error)
    return JSONResponse(said(found))


def _problem(error: ObservatoryError) -> Response:
    """Return the error as Tempo does: as text, which Grafana shows."""
    return PlainTextResponse(str(error), status_of(error))
