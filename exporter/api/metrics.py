"""GET /metrics for Prometheus, rendered off the event loop, one scrape at a time."""

from __future__ import annotations

import asyncio
from time import perf_counter

from fastapi import FastAPI, Request, Response

from exporter.metrics.exposition import render
from exporter.telemetry import Telemetry


def metrics_app(telemetry: Telemetry) -> FastAPI:
    """Return the ASGI application of the metrics port."""
    app = FastAPI(title="Metrics", docs_url=None, redoc_url=None, openapi_url=None)
    # Scrapes that come faster than they can be rendered wait here instead of piling up threads.
    one_at_a_time = asyncio.Lock()

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        headers = request.headers
        async with one_at_a_time:
            start = perf_counter()
            scrape = await asyncio.to_thread(
                render,
                telemetry.registry,
                headers.get("accept", ""),
                headers.get("accept-encoding", ""),
            )
            telemetry.scrape_duration.record(perf_counter() - start)
        return Response(scrape.body, headers=scrape.headers)

    return app
