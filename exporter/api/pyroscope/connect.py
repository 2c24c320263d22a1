"""The Connect protocol, unary, over HTTP/1.1: connectrpc.com/docs/protocol.

A request is a POST of one protobuf or JSON message; so is its answer, in the same form. An error is
JSON with a code, whatever the form.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import Request, Response
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from exporter.api.asking import ask
from exporter.cancellation import Cancellation
from exporter.errors import (
    CancelledError,
    ConfigurationError,
    MalformedError,
    ObservatoryError,
    OverloadedError,
    PermanentError,
    StoreUnavailableError,
    TooLargeError,
    UnsupportedError,
    WrongQueryError,
)

log = logging.getLogger(__name__)

PROTO = "application/proto"
JSON = "application/json"
# Questions are short: a long selector and a hundred ids are a few kilobytes.
BODY_MAX_BYTES = 1 << 20
# Below this compressing costs more than it saves.
_GZIP_MIN_BYTES = 1024
_GZIP_LEVEL = 3
_TIMEOUT_MS = re.compile(r"[0-9]{1,10}")


class Code(StrEnum):
    """Why a procedure failed."""

    CANCELED = "canceled"
    INVALID_ARGUMENT = "invalid_argument"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


HTTP_STATUS: dict[Code, int] = {
    Code.CANCELED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
}

_CODES: tuple[tuple[type[ObservatoryError], Code], ...] = (
    (TooLargeError, Code.RESOURCE_EXHAUSTED),
    (OverloadedError, Code.RESOURCE_EXHAUSTED),
    (UnsupportedError, Code.UNIMPLEMENTED),
    (WrongQueryError, Code.INVALID_ARGUMENT),
    (PermanentError, Code.INVALID_ARGUMENT),
    (CancelledError, Code.CANCELED),
    (StoreUnavailableError, Code.UNAVAILABLE),
    (ConfigurationError, Code.UNAVAILABLE),
    (ObservatoryError, Code.UNAVAILABLE),
)


@dataclass(frozen=True, slots=True)
class Procedure:
    """One remote procedure."""

    request: Callable[[], Any]
    """Makes an empty message of what it takes."""
    answer: Callable[[Any, Cancellation], Message]
    """Runs in a thread."""


async def call(procedure: Procedure | None, request: Request) -> Response:
    """Answer one request; None: there is no such procedure."""
    form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if form not in {PROTO, JSON}:
        return Response(status_code=415, headers={"Accept-Post": f"{PROTO}, {JSON}"})
    if procedure is None:
        return failure(Code.UNIMPLEMENTED, "this part of Pyroscope's API is not served here")
    timeout_s: float | None = None
    try:
        timeout_s = _timeout(request)
        asked = _decode(await read_body(request), procedure.request(), form)
        body = await ask(
            request,
            lambda wish: _encode(procedure.answer(asked, wish), form),
            timeout_s=timeout_s,
            route=request.url.path,
        )
    except CancelledError as error:
        code = Code.CANCELED if timeout_s is None else Code.DEADLINE_EXCEEDED
        return failure(code, str(error))
    except ObservatoryError as error:
        return failure(code_of(error), str(error))
    except Exception:
        log.exception("a question about profiles failed", extra={"path": request.url.path})
        return failure(Code.INTERNAL, "the question failed; the service's log says why")
    return await packed(request, body, form)


def code_of(error: ObservatoryError) -> Code:
    """Return the code that tells a client what to do about an error."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def failure(code: Code, message: str) -> Response:
    """Return an error."""
    body = json.dumps({"code": code.value, "message": message})
    return Response(body, HTTP_STATUS[code], media_type=JSON)


async def packed(request: Request, body: bytes | str, media: str) -> Response:
    """Return an answer, compressed if the client takes that."""
    plain = body.encode() if isinstance(body, str) else body
    offered = re.split(r"[\s,]+", request.headers.get("accept-encoding", "").lower())
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in offered and len(plain) >= _GZIP_MIN_BYTES:
        plain = await asyncio.to_thread(gzip.compress, plain, _GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(plain, media_type=media, headers=headers)


async def read_body(request: Request) -> bytes:
    """Return the body, decompressed; raise TooLargeError, MalformedError, UnsupportedError."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise UnsupportedError(f"compression {encoding[:40]!r} is not supported: use gzip")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise _too_large()
    if encoding != "gzip":
        return bytes(body)
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read(BODY_MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedError(f"the body is not valid gzip: {error}") from error
    if len(plain) > BODY_MAX_BYTES:
        raise _too_large()
    return plain


def _too_large() -> TooLargeError:
    return TooLargeError(f"a question may have {BODY_MAX_BYTES} bytes")


def _timeout(request: Request) -> float | None:
    """Return how long the client waits, None: as long as it takes."""
    version = request.headers.get("connect-protocol-version", "1")
    if version != "1":
        raise MalformedError(f"connect-protocol-version must be 1, not {version[:20]!r}")
    written = request.headers.get("connect-timeout-ms")
    if written is None:
        return None
    if not _TIMEOUT_MS.fullmatch(written):
        raise MalformedError("connect-timeout-ms is a number of at most ten digits")
    return int(written) / 1000


def _decode(body: bytes, message: Any, form: str) -> Any:
    try:
        if form == PROTO:
            message.ParseFromString(body)
        else:
            # An empty body is an empty message, as for protobuf.
            json_format.Parse(body or b"{}", message, ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the body is not the message that is expected: {error}") from error
    return message


def _encode(message: Message, form: str) -> bytes:
    if form == PROTO:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()
