"""A question of the data API is told to stop when its client hangs up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from fastapi import FastAPI

from exporter.api.asking import Asking
from exporter.api.data.flamegraph import flamegraph_router
from exporter.api.data.traces import TraceAnswers, traces_router
from exporter.api.data.usage import UsageAnswers, usage_router
from exporter.cancellation import Cancellation
from exporter.listen import HttpServer, bind

WAIT_S = 20.0


class Endless:
    """Answers nothing until it is told to stop."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.stopped = threading.Event()

    def __call__(self, *asked: Any) -> Any:
        cancellation = asked[-1]
        assert isinstance(cancellation, Cancellation)
        with cancellation.during(self.stopped.set):
            self.began.set()
            self.stopped.wait(WAIT_S)
            cancellation.check()


@pytest.mark.parametrize(
    "path",
    [
        "/api/summary",
        "/api/models",
        "/api/costs",
        f"/api/traces/{1:032x}/spans",
        f"/api/traces/{1:032x}/otlp",
        "/api/flamegraph",
        "/api/flamegraph/diff",
    ],
)
async def test_nobody_waits_so_nothing_goes_on(path: str) -> None:
    endless = Endless()
    app = FastAPI()
    Asking(threads=4).serve(app)
    app.include_router(usage_router(UsageAnswers(endless, endless, endless)))
    app.include_router(traces_router(TraceAnswers(endless, endless, endless)))
    app.include_router(flamegraph_router(endless))
    server = HttpServer(app, bind("127.0.0.1", 0, "api_port"))
    await server.start()
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        assert await asyncio.to_thread(endless.began.wait, WAIT_S)
        assert not endless.stopped.is_set()
        writer.close()
        await writer.wait_closed()
        assert await asyncio.to_thread(endless.stopped.wait, WAIT_S / 2)
    finally:
        await server.close()
