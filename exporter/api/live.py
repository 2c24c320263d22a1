"""What happens now: GET /events/metrics (server-sent events) and WebSocket /ws/traces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, WebSocket
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from exporter.errors import MalformedError
from exporter.live.filters import read_filter
from exporter.live.seats import Seats
from exporter.live.snapshots import Snapshots
from exporter.live.traces import TraceFeed, Watcher

# When a browser that lost the stream comes back.
_RETRY_MS = 1000
_FULL_RETRY_S = 5
# RFC 6455's codes: the server goes away; try again later.
_GOING_AWAY, _TRY_AGAIN_LATER = 1001, 1013


@dataclass(frozen=True, slots=True)
class Live:
    """What the streams are made of."""

    snapshots: Snapshots
    traces: TraceFeed
    seats: Seats
    heartbeat_s: float


def live_router(live: Live) -> APIRouter:
    """Return both streams; beyond the limit of clients 503, or close code 1013."""
    router = APIRouter(tags=["live"])
    full = f"{live.seats.seats_max} clients watch already (live_clients_max)"

    @router.get(
        "/events/metrics",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {}}, "description": "A snapshot each second."},
            503: {"description": "Too many clients watch already."},
        },
    )
    async def metrics(last_event_id: Annotated[str, Header()] = "") -> Response:
        """Stream a snapshot of requests, tokens, cost, latency and errors each second.

        `Last-Event-ID` resumes behind an event; what is too old for that is told as `missed`.
        """
        if not live.seats.take():
            return JSONResponse({"detail": full}, 503, {"Retry-After": str(_FULL_RETRY_S)})
        return _EventStream(live, last_event_id)

    @router.websocket("/ws/traces")
    async def traces(socket: WebSocket) -> None:
        if not _same_origin(socket):
            # Before it is accepted: the browser is told 403.
            await socket.close()
            return
        await socket.accept()
        if not live.seats.take():
            await socket.send_text(_error(full))
            await socket.close(_TRY_AGAIN_LATER)
            return
        try:
            await _serve(socket, live.traces)
        finally:
            live.seats.leave()

    return router


# Server-sent events ------------------------------------------------------------------------------


class _EventStream(StreamingResponse):
    """A stream that gives its seat back however it ends, even if it never began."""

    def __init__(self, live: Live, last_event_id: str) -> None:
        # A proxy that buffers would hold events back.
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(_lines(live, last_event_id), 200, headers, "text/event-stream")
        self._seats = live.seats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._seats.leave()


async def _lines(live: Live, last_event_id: str) -> AsyncIterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    async for event in live.snapshots.follow(last_event_id, live.heartbeat_s):
        if event is None:
            yield ": nothing new\n\n"
        else:
            yield f"id: {event.id}\nevent: {event.name}\ndata: {event.data}\n\n"


# WebSocket ---------------------------------------------------------------------------------------


def _same_origin(socket: WebSocket) -> bool:
    """Say whether no page of another site opens this: browsers leave that check to the server."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


async def _serve(socket: WebSocket, feed: TraceFeed) -> None:
    """Send what comes and read filters, until either side ends."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(news.set)

    watcher = feed.join(wake)
    tasks = [
        asyncio.create_task(_send(socket, watcher, news)),
        asyncio.create_task(_receive(socket, watcher)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        feed.leave(watcher)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
            raise result


async def _send(socket: WebSocket, watcher: Watcher, news: asyncio.Event) -> None:
    while not watcher.closed:
        news.clear()
        messages = watcher.take()
        for message in messages:
            # Waits while the client does not read: its line fills, nothing else does.
            await socket.send_text(message)
        if not messages and not watcher.closed:
            await news.wait()
    await socket.close(_GOING_AWAY)


async def _receive(socket: WebSocket, watcher: Watcher) -> None:
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        try:
            watcher.filter = read_filter(message.get("text") or "")
        except MalformedError as error:
            await socket.send_text(_error(str(error)))
        else:
            await socket.send_text(json.dumps({"type": "filter", "filter": watcher.filter.given()}))


def _error(message: str) -> str:
    return json.dumps({"type": "error", "message": message})
