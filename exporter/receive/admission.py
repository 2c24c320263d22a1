"""Let a request in, the same for every transport: its size, its decompression, then the queue."""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from backports import zstd

from exporter.errors import (
    MalformedError,
    ObservatoryError,
    OverloadedError,
    TooLargeError,
    UnsupportedError,
)
from exporter.queue import Outcome, Queue, Ticket
from exporter.spans.rejection import Verdict
from exporter.spans.scan import has_more_parts
from exporter.telemetry import Telemetry

_CHUNK_BYTES = 1 << 20
# A zstd frame may ask for a window of its own choosing; 8 MiB is the format's recommended limit.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
# Below this size a request cannot hold so many parts that it matters.
_SCANNED_MIN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """How much is taken in at once, of one sender and of all."""

    request_max_bytes: int
    request_max_parts: int
    """Resources, scopes and spans of a large request."""
    receiving_max_bytes: int
    """Of all bodies that are being read."""
    retry_after_s: float


class ByteBudget:
    """Bytes that may be held in bodies that are still being read. For one event loop."""

    def __init__(self, max_bytes: int, retry_after_s: float) -> None:
        self._left = max_bytes
        self._retry_after_s = retry_after_s

    def reserve(self, size: int) -> None:
        """Take some of the budget; raise OverloadedError when it is used up."""
        if size > self._left:
            raise OverloadedError(
                "too many bytes are being received", retry_after_s=self._retry_after_s
            )
        self._left -= size

    def release(self, size: int) -> None:
        """Give some back."""
        self._left += size


class Admission:
    """Hands request bytes to the queue and waits for what becomes of them."""

    def __init__(self, queue: Queue, telemetry: Telemetry, limits: RequestLimits) -> None:
        self._queue = queue
        self._telemetry = telemetry
        self._limits = limits
        self._budget = ByteBudget(limits.receiving_max_bytes, limits.retry_after_s)

    @property
    def request_max_bytes(self) -> int:
        """Largest request after decompression."""
        return self._limits.request_max_bytes

    async def admit(self, request: bytes, transport: str) -> Verdict:
        """Queue a request; return its verdict once its spans are read and checked.

        Raise what the sender must be told.
        """
        outcome = await self._outcome(request)
        label = "ok" if isinstance(outcome, Verdict) else type(outcome).__name__
        self.count(transport, label)
        if isinstance(outcome, Verdict):
            self._telemetry.received_bytes.add(len(request), {"transport": transport})
            return outcome
        raise outcome

    def count(self, transport: str, outcome: str) -> None:
        """Count a request that ended here or before."""
        self._telemetry.requests.add(1, {"transport": transport, "outcome": outcome})

    async def _outcome(self, request: bytes) -> Outcome:
        if len(request) > self.request_max_bytes:
            return self.too_large()
        if len(request) > _SCANNED_MIN_BYTES and has_more_parts(
            request, self._limits.request_max_parts
        ):
            return TooLargeError(
                f"the request has more than {self._limits.request_max_parts} spans; send smaller "
                "batches or raise request_max_parts"
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            # Called from the pipeline's thread; the sender may have gone away meanwhile.
            loop.call_soon_threadsafe(_resolve, future, outcome)

        try:
            self._queue.put(Ticket(request, settle))
        except ObservatoryError as error:
            return error
        return await future

    def too_large(self) -> TooLargeError:
        """Return the refusal of a request above the limit."""
        return TooLargeError(
            f"the request is larger than {self.request_max_bytes} bytes after decompression; "
            "send smaller batches or raise request_max_bytes"
        )

    async def read(self, chunks: AsyncIterator[bytes], encoding: str) -> bytes:
        """Return a body, decompressed.

        No more than the limit is ever held of one body, and no more than the budget of them all.
        """
        held = 0

        def reserve(size: int) -> None:
            nonlocal held
            self._budget.reserve(size)
            held += size

        try:
            body = bytearray()
            async for chunk in chunks:
                reserve(len(chunk))
                body += chunk
                if len(body) > self.request_max_bytes:
                    raise self.too_large()
            if encoding in {"", "identity"}:
                return bytes(body)
            return await self._decompress(bytes(body), encoding, reserve)
        finally:
            self._budget.release(held)

    async def _decompress(
        self, body: bytes, encoding: str, reserve: Callable[[int], None]
    ) -> bytes:
        source = _open(body, encoding)
        plain = bytearray()
        while True:
            piece = await _read_piece(source, encoding, small=len(body) < _CHUNK_BYTES // 16)
            if not piece:
                return bytes(plain)
            reserve(len(piece))
            plain += piece
            if len(plain) > self.request_max_bytes:
                raise self.too_large()


def _resolve(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _open(body: bytes, encoding: str) -> _Readable:
    if encoding == "gzip":
        return gzip.GzipFile(fileobj=io.BytesIO(body))
    if encoding == "zstd":
        return zstd.ZstdFile(io.BytesIO(body), options=_ZSTD_OPTIONS)
    raise UnsupportedError(
        f"content-encoding {encoding[:40]!r} is not supported: use gzip, zstd or identity"
    )


async def _read_piece(source: _Readable, encoding: str, *, small: bool) -> bytes:
    try:
        if small:
            return source.read(_CHUNK_BYTES)
        # Megabytes of decompression would hold up every other connection of the loop.
        return await asyncio.to_thread(source.read, _CHUNK_BYTES)
    except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        raise MalformedError(f"the body is not valid {encoding}: {error}") from error
