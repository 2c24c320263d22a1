"""Stand in for the model providers' HTTP APIs on a free loopback port.

Answers come from a seed and the request's text (`answers`), failures from a header of the request
(`faults`), so a demo needs no API key and a test can know every token in advance.
"""

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from exporter.demo.anthropic_api import anthropic_router
from exporter.demo.openai_api import openai_router
from exporter.demo.stand_in import Ledger, Mischief, StandIn

_START_TIMEOUT_S = 10


def create_app(stand_in: StandIn) -> FastAPI:
    """Serve OpenAI's and Anthropic's APIs from one stand-in; their paths do not overlap."""
    app = FastAPI(title="Stand-in model providers", openapi_url=None)
    app.include_router(openai_router(stand_in))
    app.include_router(anthropic_router(stand_in))
    return app


class ProviderServer:
    """Run the stand-in in a thread for as long as a `with` block lasts."""

    def __init__(self, *, seed: int = 0, latency_scale: float = 0.0) -> None:
        """Open a free port on loopback. With a latency scale of 0, answers come at once."""
        self._stand_in = StandIn(seed=seed, latency_scale=latency_scale)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = _Server(
            uvicorn.Config(create_app(self._stand_in), log_config=None, lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    @property
    def url(self) -> str:
        """The root of both APIs: OpenAI's SDK wants `/v1` added, Anthropic's does not."""
        host, port = self._socket.getsockname()
        return f"http://{host}:{port}"

    @property
    def ledger(self) -> Ledger:
        """What was answered so far."""
        return self._stand_in.ledger

    @property
    def mischief(self) -> Mischief:
        """What goes wrong for everybody; change it while the server runs."""
        return self._stand_in.mischief

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        if not self._server.ready.wait(_START_TIMEOUT_S):
            raise RuntimeError("the stand-in providers did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and let go of connections that clients keep open."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class _Server(uvicorn.Server):
    """A server that says when it is ready, so that nobody has to poll it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
