"""A metrics page whose counters grow at rates that a test chooses, for a real Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page:
    """Series by name with labels: counters with a rate a second, and gauges."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        self._at = time.monotonic()
        self.address = ""
        self.down = False

    def grow(self, rates: Mapping[str, float]) -> None:
        """From now on let these counters grow so fast; others keep their pace."""
        with self._lock:
            self._advance()
            self._rates |= rates

    def set(self, values: Mapping[str, float]) -> None:
        """Set gauges."""
        with self._lock:
            self._values |= values

    def render(self) -> bytes:
        with self._lock:
            self._advance()
            return "".join(f"{name} {value}\n" for name, value in self._values.items()).encode()

    def _advance(self) -> None:
        now = time.monotonic()
        for name, rate in self._rates.items():
            self._values[name] = self._values.get(name, 0.0) + rate * (now - self._at)
        self._at = now


@contextmanager
def scraped_page() -> Iterator[Page]:
    """Serve a page on a free port of the loopback address until the block ends."""
    page = Page()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if page.down else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(b"" if page.down else page.render())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        page.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield page
        finally:
            server.shutdown()
            thread.join()
