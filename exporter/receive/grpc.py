"""OTLP over gRPC: the Export method of the trace service, on raw bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc
import grpc.aio

from exporter.errors import ObservatoryError, RetryableError, response_to
from exporter.receive.admission import Admission
from exporter.receive.answers import UNSUPPORTED_SIGNAL, failure, success

_PACKAGE = "opentelemetry.proto.collector"
_TRACES = f"{_PACKAGE}.trace.v1.TraceService"
_OTHERS = (
    f"{_PACKAGE}.metrics.v1.MetricsService",
    f"{_PACKAGE}.logs.v1.LogsService",
    f"{_PACKAGE}.profiles.v1development.ProfilesService",
)
_STATUS_KEY = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext
Method = Callable[[bytes, Context], Awaitable[bytes]]


# Of one connection; what is more waits at the sender. A limit on the server would answer
# RESOURCE_EXHAUSTED without RetryInfo, which tells senders to drop their data.
_STREAMS_MAX = 256


def otlp_grpc_server(admission: Admission) -> grpc.aio.Server:
    """Return a server without a port; gRPC itself refuses messages above the size limit.

    Messages are passed on as bytes: no Python object is made of a span here.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", admission.request_max_bytes),
            ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", _STREAMS_MAX),
        ]
    )

    async def export(request: bytes, context: Context) -> bytes:
        try:
            verdict = await admission.admit(request, "grpc")
        except ObservatoryError as error:
            await _refuse(error, context)
        else:
            return success(verdict).SerializeToString()
        raise AssertionError("abort raises")

    async def unsupported(request: bytes, context: Context) -> bytes:
        del request
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, UNSUPPORTED_SIGNAL)
        raise AssertionError("abort raises")

    server.add_generic_rpc_handlers(
        (_service(_TRACES, export), *(_service(name, unsupported) for name in _OTHERS))
    )
    return server


def _service(name: str, export: Method) -> grpc.GenericRpcHandler:
    handler = grpc.unary_unary_rpc_method_handler(export)
    return grpc.method_handlers_generic_handler(name, {"Export": handler})


async def _refuse(error: ObservatoryError, context: Context) -> None:
    details: tuple[tuple[str, bytes], ...] = ()
    if isinstance(error, RetryableError):
        details = ((_STATUS_KEY, failure(error).SerializeToString()),)
    await context.abort(_CODES[response_to(error).grpc], str(error), trailing_metadata=details)
