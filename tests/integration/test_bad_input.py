"""One running service against everything that should not be sent: it answers, and carries on."""

import gzip
import random
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import zstandard

from tests.support.otlp import request
from tests.support.service import JSON, PROTOBUF, Service, http, recent_call

MIB = 1024 * 1024
LIMIT = 64 * MIB
# What any of these tests may add to the memory of the service: a few requests at the limit with a
# copy of each, not one more for every sender.
ALLOWANCE_BYTES = 512 * MIB
SPANS = "llm_observatory_spans_total"


@pytest.fixture(autouse=True)
def unharmed(service: Service):
    """Whatever a test sends: memory stays bounded, and the next good request is counted."""
    before = service.reset_memory_peak()
    yield
    grown = service.memory_peak_bytes() - before
    assert grown < ALLOWANCE_BYTES, f"{grown / MIB:.0f} MiB more"
    accepted = service.metrics().value(SPANS, outcome="accepted")
    assert service.export(request(recent_call())).status == 200
    after = service.metrics()
    assert after.value(SPANS, outcome="accepted") == accepted + 1
    assert after.value(SPANS, outcome="dropped") == 0
    assert service.health("/healthz").status == 200


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(body)


def wide_zstd() -> bytes:
    """Return a zstd stream that asks for a window of 1 GiB."""
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=30, enable_ldm=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(bytes(1000)) + compressor.flush()


TABLE: dict[str, tuple[Callable[[], bytes], str, str, int]] = {
    "truncated": (lambda: request(recent_call())[:-1], PROTOBUF, "", 400),
    "text as protobuf": (lambda: b"hello world", PROTOBUF, "", 400),
    "json as protobuf": (lambda: b'{"resourceSpans":[]}', PROTOBUF, "", 400),
    "protobuf as json": (lambda: request(recent_call()), JSON, "", 400),
    "length beyond the end": (lambda: b"\x0a\xff\xff\xff\xff\x0f", PROTOBUF, "", 400),
    "endless varint": (lambda: b"\x0a" + b"\xff" * 1000, PROTOBUF, "", 400),
    "group that never ends": (lambda: b"\x0b" * 100_000, PROTOBUF, "", 400),
    "form": (lambda: b"a=b", "application/x-www-form-urlencoded", "", 415),
    "long content type": (lambda: b"", "x" * 5000, "", 415),
    "no json": (lambda: b"{", JSON, "", 400),
    "json number": (lambda: b"1", JSON, "", 400),
    "json null": (lambda: b"null", JSON, "", 400),
    "json nan": (lambda: b"NaN", JSON, "", 400),
    "json with a number of 5000 digits": (lambda: b'{"a":' + b"9" * 5000 + b"}", JSON, "", 400),
    "json lists 100,000 deep": (lambda: b"[" * 100_000, JSON, "", 400),
    "json objects 100,000 deep": (lambda: b'{"a":' * 100_000, JSON, "", 400),
    "json values 5,000 deep": (
        lambda: (
            b'{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":'
            + b'{"arrayValue":{"values":[' * 5000
            + b"]}}" * 5000
            + b"}]}}]}"
        ),
        JSON,
        "",
        400,
    ),
    "unknown encoding": (lambda: b"", PROTOBUF, "deflate", 415),
    "plain text said to be gzip": (lambda: b"hello", PROTOBUF, "gzip", 400),
    "gzip with rubbish behind it": (lambda: gzip.compress(b"") + b"rubbish", PROTOBUF, "gzip", 400),
    "gzip with a wrong checksum": (
        lambda: gzip.compress(b"abc")[:-8] + bytes(8),
        PROTOBUF,
        "gzip",
        400,
    ),
    "gzip of too much": (lambda: gzip.compress(bytes(65 * MIB), 1), PROTOBUF, "gzip", 413),
    "zstd of too much": (lambda: zstd(bytes(65 * MIB)), PROTOBUF, "zstd", 413),
    "json of too much": (lambda: gzip.compress(b" " * (65 * MIB), 1), JSON, "gzip", 413),
    "zstd with a huge window": (wide_zstd, PROTOBUF, "zstd", 400),
    "zstd that says it is huge": (
        # Frame header: a content size of 2 ** 62 bytes, of which there are none.
        lambda: b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 2**62),
        PROTOBUF,
        "zstd",
        400,
    ),
}


@pytest.mark.parametrize(("body", "media", "encoding", "code"), TABLE.values(), ids=TABLE)
def test_each_gets_its_status(
    service: Service, body: Callable[[], bytes], media: str, encoding: str, code: int
):
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = service.export(body(), media, **headers)
    assert answer.status == code, answer
    assert len(answer.body) > 5
    assert len(answer.body) < 1000


def test_refusals_are_counted_by_what_was_wrong(service: Service):
    before = service.metrics()
    for body, media in [(b"\xff", PROTOBUF), (b"{", JSON), (b"", "text/plain")]:
        service.export(body, media)
    after = service.metrics()
    for transport, outcome in [
        ("http/protobuf", "MalformedError"),
        ("http/json", "MalformedError"),
        ("http", "UnsupportedError"),
    ]:
        labels = {"transport": transport, "outcome": outcome}
        name = "llm_observatory_requests_total"
        assert after.value(name, **labels) == before.value(name, **labels) + 1, labels


def test_random_bytes_are_refused_or_empty(service: Service):
    rng = random.Random(20261121)
    for _ in range(150):
        body = rng.randbytes(rng.randrange(200))
        media = rng.choice([PROTOBUF, JSON])
        encoding = rng.choice(["identity", "gzip", "zstd"])
        answer = service.export(body, media, Content_Encoding=encoding)
        assert answer.status in {200, 400}, (body, media, encoding)


def test_sound_requests_with_a_byte_changed_do_no_harm(service: Service):
    rng = random.Random(20261122)
    sound = request(recent_call({"list": ["a", 1], "map": {"k": b"v"}}), recent_call(number=2))
    for _ in range(150):
        body = bytearray(sound)
        for _ in range(rng.choice([1, 1, 3])):
            body[rng.randrange(len(body))] = rng.randrange(256)
        assert service.export(bytes(body)).status in {200, 400}, bytes(body)
    service.wait_for(lambda m: not m.value("llm_observatory_buffer_spans"))


def test_many_bombs_at_once(service: Service):
    bomb = gzip.compress(bytes(600 * MIB), 1)
    with ThreadPoolExecutor(24) as threads:
        answers = threads.map(
            lambda _: service.export(bomb, Content_Encoding="gzip").status, range(24)
        )
        assert set(answers) <= {413, 429}


def _field(number: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + body


@pytest.mark.parametrize(
    ("body", "media"),
    [
        pytest.param(
            lambda: _field(1, _field(2, b"\x12\0" * (8 * MIB))), PROTOBUF, id="empty spans"
        ),
        pytest.param(lambda: b"\x0a\0" * (16 * MIB), PROTOBUF, id="empty resources"),
        pytest.param(lambda: b'{"a":[' + b"[]," * (10 * MIB) + b"1]}", JSON, id="empty lists"),
    ],
)
def test_a_request_of_many_tiny_parts_costs_no_more_than_others(
    service: Service, body: Callable[[], bytes], media: str
):
    """Below the limit in bytes, but each part of two bytes becomes objects or columns."""
    answer = service.export(gzip.compress(body(), 1), media, Content_Encoding="gzip")
    assert answer.status in {200, 400, 413}


def raw(service: Service, sent: bytes, *, leave: bool = False) -> bytes:
    """Send bytes on a connection and return what comes back until the service closes it.

    A sender that leaves says that it sends no more.
    """
    parts = urlsplit(service.endpoints.otlp_http)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
            if leave:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
    return received


HEAD = (
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    b"Content-Type: application/x-protobuf\r\n"
)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(HEAD + b"Content-Length: nine\r\n\r\n", b"400", id="length is no number"),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", b"400", id="negative length"),
        pytest.param(
            HEAD + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nabcde", b"400", id="two lengths"
        ),
        pytest.param(HEAD + b"\r\n", b"200", id="no length is an empty body"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400", id="chunks that are none"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"200", id="no chunks at all"
        ),
        pytest.param(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"400", id="a TLS handshake"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"4", id="gRPC on the HTTP port"),
    ],
)
def test_odd_heads(service: Service, sent: bytes, status: bytes):
    answer = raw(service, sent)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]


def test_a_head_without_end_is_cut_off(service: Service):
    answer = raw(service, HEAD + b"X: " + b"x" * (8 * MIB) + b"\r\n\r\n")
    assert not answer.startswith(b"HTTP/1.1 2"), answer[:200]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(HEAD + b"Content-Length: 1000\r\n\r\nabc", id="with a length"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", id="in chunks"),
    ],
)
def test_a_sender_that_leaves_in_the_middle_of_its_body(service: Service, sent: bytes):
    name, labels = "llm_observatory_requests_total", {"outcome": "ClientDisconnect"}
    before = service.metrics().value(name, **labels)
    raw(service, sent, leave=True)
    service.wait_for(lambda m: m.value(name, **labels) == before + 1)
    # It is counted: a line for each would fill the log, and nobody can act on one.
    assert not [line for line in service.log if line["level"] == "ERROR"]


def test_bad_requests_do_not_harm_good_ones_beside_them(service: Service):
    sound = [request(recent_call(number=n)) for n in range(1, 101)]
    bad = [sound[0][:-1], b"\xff" * 50, request(recent_call(trace_id=b"short"))]
    rng = random.Random(1)
    sent = [(body, True) for body in sound] + [(rng.choice(bad), False) for _ in range(100)]
    rng.shuffle(sent)
    before = service.metrics()
    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(lambda item: service.export(item[0]).status, sent))
    for (body, is_sound), status in zip(sent, statuses, strict=True):
        assert status == (200 if is_sound or body == bad[2] else 400)
    after = service.metrics()
    assert after.value(SPANS, outcome="accepted") == before.value(SPANS, outcome="accepted") + 100
    rejected = sum(body == bad[2] for body, _ in sent)
    assert (
        after.value(SPANS, outcome="rejected", reason="invalid_trace_id")
        == before.value(SPANS, outcome="rejected", reason="invalid_trace_id") + rejected
    )
    service.wait_until_stored(
        int(before.value("llm_observatory_rows_total", table="otel_traces", outcome="ok")) + 100
    )


def test_a_large_body_is_refused_while_it_is_sent(service: Service):
    """A sender that looks at the answer only at the end still gets it."""
    answer = http(service.traces_url, bytes(LIMIT + MIB), {"Content-Type": PROTOBUF})
    assert answer.status == 413
