"""Ask a question off the event loop, after ingest, and drop it when the client goes away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import FastAPI, Request

from exporter.cancellation import Cancellation
from exporter.errors import (
    CancelledError,
    ConfigurationError,
    ObservatoryError,
    OverloadedError,
    PermanentError,
    TooLargeError,
    WrongQueryError,
)
from exporter.pace import Pace

Answer = TypeVar("Answer")

_STATUS: tuple[tuple[type[ObservatoryError], int], ...] = (
    (WrongQueryError, 400),
    (TooLargeError, 413),
    (OverloadedError, 429),
    # A store whose schema is not in place yet.
    (ConfigurationError, 503),
    (ObservatoryError, 503),
)
_OUTCOMES: tuple[tuple[type[BaseException], str], ...] = (
    (CancelledError, "cancelled"),
    (asyncio.CancelledError, "cancelled"),
    (OverloadedError, "overloaded"),
    (PermanentError, "refused"),
    (BaseException, "failed"),
)
_LOOK_S = 0.05

Told = Callable[[str, str, float, float], None]
"""Is told of a question that is over: its route, its outcome, how long it paused and ran."""


class Asking:
    """Where the questions of a service run: in threads of their own, paced.

    Threads of their own, because /metrics and the receivers use those that everybody may use.
    """

    def __init__(
        self,
        *,
        threads: int,
        pace: Pace | None = None,
        waiting: Callable[[], bool] = lambda: False,
        told: Told = lambda *_: None,
    ) -> None:
        """`waiting` says whether spans wait to be read. Without `pace` nothing pauses."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="question")
        self._pace = pace or Pace(share=1.0, pause_max_s=0.0)
        self._waiting = waiting
        self._told = told

    def serve(self, app: FastAPI) -> None:
        """Have the questions to `app` asked here."""
        app.state.asking = self

    async def ask(
        self, route: str, question: Callable[[Cancellation], Answer], cancellation: Cancellation
    ) -> Answer:
        """Return the answer of `question` when its turn came and it has run."""
        paused_s = await self._turn(cancellation)
        began = time.monotonic()
        outcome = "ok"
        try:
            return await self._run(question, cancellation)
        except BaseException as error:
            outcome = next(name for kind, name in _OUTCOMES if isinstance(error, kind))
            raise
        finally:
            over = time.monotonic()
            self._pace.ran(over - began, over)
            self._told(route, outcome, paused_s, over - began)

    def close(self) -> None:
        """Ask nothing more; what runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _turn(self, cancellation: Cancellation) -> float:
        """Wait while ingest goes first; return for how long, 0.0: not at all.

        However many others ask meanwhile, it is never longer than the longest pause.
        """
        asked = time.monotonic()
        paused_s = 0.0
        while not cancellation.wished and (left := self._look()) > 0:
            # No event tells that no spans wait any more: that is an average of many looks.
            await asyncio.sleep(min(left, _LOOK_S))
            paused_s = time.monotonic() - asked
            if paused_s >= self._pace.pause_max_s:
                break
        return paused_s

    async def _run(
        self, question: Callable[[Cancellation], Answer], cancellation: Cancellation
    ) -> Answer:
        loop = asyncio.get_running_loop()
        answer = loop.run_in_executor(self._threads, question, cancellation)
        while not answer.done():
            await asyncio.wait({answer}, timeout=_LOOK_S)
            self._look()
        return await answer

    def _look(self) -> float:
        """Look whether spans wait; return how long the next question has to, as things are."""
        self._pace.look(waiting=self._waiting())
        return self._pace.pause_s(time.monotonic())


async def ask(
    request: Request,
    question: Callable[[Cancellation], Answer],
    *,
    timeout_s: float | None = None,
    route: str | None = None,
) -> Answer:
    """Return the answer of `question`, which runs in a thread.

    It is told to stop when the client hangs up, the time is over or the service stops. The
    request's body must have been read before. `route` names the kind of question, None: the
    path as it is declared, in which no id is.
    """
    asking: Asking = request.app.state.asking
    cancellation = Cancellation()
    route = route or str(getattr(request.scope.get("route"), "path", ""))
    answer = asyncio.create_task(asking.ask(route, question, cancellation))
    gone = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({answer, gone}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not answer.done():
            await asyncio.to_thread(cancellation.cancel)
    return await answer


def status_of(error: ObservatoryError) -> int:
    """Return the HTTP status that tells a client what to do about an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
