"""OTLP over HTTP: POST /v1/traces, protobuf or JSON, on one port."""

from __future__ import annotations

import asyncio
import math

from fastapi import FastAPI, Request, Response
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect

from exporter.errors import (
    ObservatoryError,
    RetryableError,
    TooLargeError,
    UnsupportedError,
    response_to,
)
from exporter.receive.admission import Admission
from exporter.receive.answers import UNSUPPORTED_SIGNAL, failure, success
from exporter.receive.json_body import to_protobuf

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
# Parsed JSON takes some twenty times its size in memory.
_JSON_MAX_BYTES = 16 << 20
_JSON_AT_ONCE_BYTES = 64 << 10
_TRANSPORTS = {PROTOBUF: "http/protobuf", JSON: "http/json"}


def otlp_http_app(admission: Admission) -> FastAPI:
    """Return the ASGI application of the OTLP/HTTP port."""
    app = FastAPI(title="OTLP/HTTP receiver", docs_url=None, redoc_url=None, openapi_url=None)

    # A JSON request takes many times its size while it is read: one at a time.
    json_turn = asyncio.Lock()

    @app.post("/v1/traces")
    async def traces(request: Request) -> Response:
        media = _media_type(request)
        transport = _TRANSPORTS.get(media, "http")
        try:
            body = await _body(request, media, admission)
            if media == JSON:
                async with json_turn:
                    body = await _from_json(body, admission)
            verdict = await admission.admit(body, transport)
        except ObservatoryError as error:
            return _refusal(error, media)
        except ClientDisconnect:
            admission.count(transport, "ClientDisconnect")
            return Response(status_code=400)
        return _answer(200, success(verdict), media)

    @app.post("/v1/{signal}")
    async def other(signal: str, request: Request) -> Response:
        del signal
        return _answer(404, failure(UnsupportedError(UNSUPPORTED_SIGNAL)), _media_type(request))

    return app


async def _body(request: Request, media: str, admission: Admission) -> bytes:
    """Return the body, decompressed; what fails here never reached the queue."""
    transport = _TRANSPORTS.get(media, "http")
    try:
        if media not in _TRANSPORTS:
            raise UnsupportedError(
                f"content-type {media[:80]!r} is not supported: use {PROTOBUF} or {JSON}"
            )
        encoding = request.headers.get("content-encoding", "").strip().lower()
        return await admission.read(request.stream(), encoding)
    except ObservatoryError as error:
        admission.count(transport, type(error).__name__)
        raise


async def _from_json(body: bytes, admission: Admission) -> bytes:
    """Return a JSON request as protobuf bytes, off the event loop where it takes a while."""
    try:
        if len(body) > _JSON_MAX_BYTES:
            raise TooLargeError(
                f"a JSON request may have {_JSON_MAX_BYTES} bytes; send smaller batches or protobuf"
            )
        if len(body) < _JSON_AT_ONCE_BYTES:
            return to_protobuf(body)
        return await asyncio.to_thread(to_protobuf, body)
    except ObservatoryError as error:
        admission.count(_TRANSPORTS[JSON], type(error).__name__)
        raise


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refusal(error: ObservatoryError, media: str) -> Response:
    answer = _answer(response_to(error).http, failure(error), media)
    if isinstance(error, RetryableError):
        answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return answer


def _answer(status: int, message: Message, media: str) -> Response:
    """Return a message in the form of the request, as the specification asks."""
    if media == JSON:
        text = json_format.MessageToJson(message, indent=None)
        return Response(text, status, media_type=JSON)
    return Response(message.SerializeToString(), status, media_type=PROTOBUF)
