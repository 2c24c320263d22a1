"""The Pyroscope API below one prefix, for a data source whose URL ends in it."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from exporter.api.asking import ask
from exporter.api.pyroscope.connect import call, code_of, failure, packed
from exporter.api.pyroscope.querier import procedures
from exporter.api.pyroscope.questions import Profiles
from exporter.api.pyroscope.render import Render
from exporter.cancellation import Cancellation
from exporter.errors import ObservatoryError

PREFIX = "/pyroscope"

_Rendering = Callable[[dict[str, str], Cancellation], tuple[str | bytes, str]]


def pyroscope_router(
    profiles: Profiles, *, nodes_max: int, clock_ns: Callable[[], int] = time.time_ns
) -> APIRouter:
    """Return the routes; a flame graph has at most `nodes_max` frames."""
    router = APIRouter(prefix=PREFIX, tags=["pyroscope"], include_in_schema=False)
    served = procedures(profiles, nodes_max=nodes_max)
    render = Render(profiles, nodes_max=nodes_max, clock_ns=clock_ns)

    async def rendered(request: Request, rendering: _Rendering) -> Response:
        parameters = dict(request.query_params)
        try:
            body, media = await ask(request, lambda wish: rendering(parameters, wish))
        except ObservatoryError as error:
            return failure(code_of(error), str(error))
        return await packed(request, body, media)

    @router.get("/render")
    async def render_single(request: Request) -> Response:
        return await rendered(request, render.single)

    @router.get("/render-diff")
    async def render_double(request: Request) -> Response:
        return await rendered(request, render.double)

    @router.post("/{service}/{method}")
    async def procedure(service: str, method: str, request: Request) -> Response:
        return await call(served.get(f"{service}/{method}"), request)

    return router
