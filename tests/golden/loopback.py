"""One HTTP server on a free loopback port, in threads, for as long as a `with` block lasts."""

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Respond = Callable[[BaseHTTPRequestHandler, bytes], None]


class LoopbackServer:
    """Give every request, with its body unpacked, to one function."""

    def __init__(self, respond: Respond) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(respond))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port that the operating system gave."""
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        """The root of the server, without a slash."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(respond: Respond) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            respond(self, _unpacked(self))

        do_GET = do_POST = do_PUT = do_PATCH = _handle  # noqa: N815 - http.server calls them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent: the ledger says what was asked."""

    return Handler


def _unpacked(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" in request.headers.get("transfer-encoding", ""):
        body = b"".join(iter(lambda: _chunk(request), b""))
    else:
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
    return gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body


def _chunk(request: BaseHTTPRequestHandler) -> bytes:
    size = int(request.rfile.readline().split(b";")[0], 16)
    chunk = request.rfile.read(size)
    request.rfile.readline()
    return chunk
