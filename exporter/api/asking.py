"""Ask a question off the event loop, and drop it when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request

from exporter.cancellation import Cancellation
from exporter.errors import (
    ConfigurationError,
    ObservatoryError,
    OverloadedError,
    TooLargeError,
    WrongQueryError,
)

Answer = TypeVar("Answer")

_STATUS: tuple[tuple[type[ObservatoryError], int], ...] = (
    (WrongQueryError, 400),
    (TooLargeError, 413),
    (OverloadedError, 429),
    # A store whose schema is not in place yet.
    (ConfigurationError, 503),
    (ObservatoryError, 503),
)


async def ask(
    request: Request,
    question: Callable[[Cancellation], Answer],
    *,
    timeout_s: float | None = None,
) -> Answer:
    """Return the answer of `question`, which runs in a thread.

    It is told to stop when the client hangs up, the time is over or the service stops. The
    request's body must have been read before.
    """
    cancellation = Cancellation()
    answer = asyncio.create_task(asyncio.to_thread(question, cancellation))
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
