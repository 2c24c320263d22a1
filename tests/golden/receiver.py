"""Receive OTLP/HTTP trace exports on any path, and keep them in the order they came."""

import threading
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.golden import otlp_json
from tests.golden.loopback import LoopbackServer

_JSON = "application/json"


class Receiver(LoopbackServer):
    """Take traces as they come; say yes to logs and metrics, and forget them."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: set[str] = set()
        self._lock = threading.Lock()
        super().__init__(self._respond)

    def merged(self) -> ExportTraceServiceRequest:
        """Return what came, in order, as one request."""
        whole = ExportTraceServiceRequest()
        for request in self.requests:
            whole.MergeFrom(request)
        return whole

    def _respond(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        kind = request.headers.get("content-type", "")
        with self._lock:
            self.paths.add(request.path)
            if request.path.rstrip("/").endswith("/traces"):
                self.requests.append(_parse(body, kind))
        answer = b"{}" if _JSON in kind else ExportTraceServiceResponse().SerializeToString()
        request.send_response(200)
        request.send_header("content-type", kind or _JSON)
        request.send_header("content-length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)


def _parse(body: bytes, kind: str) -> ExportTraceServiceRequest:
    if _JSON in kind:
        return otlp_json.loads(body)
    return ExportTraceServiceRequest.FromString(body)
