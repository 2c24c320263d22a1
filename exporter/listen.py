"""HTTP servers that share one event loop and its signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI

from exporter.errors import ConfigurationError

# Connections a client may hold open while it waits for its answer.
_CONNECTIONS_MAX = 2048
# What a WebSocket client sends is a filter.
_MESSAGE_MAX_BYTES = 64 * 1024


class HttpServer:
    """uvicorn on a socket of ours, in a loop that it shares with others."""

    def __init__(self, app: FastAPI, sock: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            http="h11",  # the parser that limits the size of a request's head
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=5,
            ws="websockets-sansio",
            ws_max_size=_MESSAGE_MAX_BYTES,
            ws_per_message_deflate=False,  # a dictionary for each client, for messages of 1 KiB
        )
        self._server = _Uvicorn(config)
        self._socket = sock
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Return when connections are taken."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.listening.wait()

    async def close(self) -> None:
        """Answer what is under way, then end."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when connections are taken."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone: several servers share this process, and `run` handles them."""
        yield


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket on a port; raise ConfigurationError that names the setting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigurationError(f"{host}:{port} ({setting}): {error.strerror}") from error
    return sock


def shown_host(host: str) -> str:
    """Return a host as a URL for people on this machine holds it."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - shown, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host
