"""The live streams of a running service, watched by real clients while spans come in."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.clickhouse_http import ClickHouseServer
from tests.support.live import events
from tests.support.otlp import ERROR, request
from tests.support.prometheus import wait_until
from tests.support.service import WAIT_TIMEOUT_S, Service, recent_call, running_service, store_url

# A call of 100 and 20 tokens of gpt-4o: 2.50 and 10 dollars a million.
COST = Decimal("0.00045")
FAST = {"live_interval_s": 0.1}
LONG = dict.fromkeys(("feature", "tenant.id", "service.version", "session.id"), "x" * 250)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("live"), **FAST) as service:
        yield service


@contextmanager
def watching(service: Service, **options: Any) -> Iterator[ClientConnection]:
    url = f"ws://{urlsplit(service.endpoints.api).netloc}/ws/traces"
    with connect(url, **({"proxy": None, "open_timeout": WAIT_TIMEOUT_S} | options)) as socket_:
        yield socket_


def ask(client: ClientConnection, **wanted: Any) -> dict[str, Any]:
    """Send a filter; return what is answered. After that the client is listened to."""
    client.send(json.dumps(wanted))
    return receive(client)


def receive(client: ClientConnection) -> dict[str, Any]:
    return json.loads(client.recv(WAIT_TIMEOUT_S))


_TRACES = iter(range(1000, 10**9))


def calls(count: int, **of_span: Any) -> bytes:
    """Return a request of so many calls, each a trace of its own."""
    return request(*(recent_call(trace=next(_TRACES), **of_span) for _ in range(count)))


# Metrics -----------------------------------------------------------------------------------------


def test_snapshots_tell_of_every_call_exactly_once(live: Service):
    with events(live) as stream:
        assert stream.response.status == 200
        assert stream.response.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        snapshots = stream.snapshots()
        first = next(snapshots)
        assert stream.retry_ms == 1000
        live.export(calls(3))
        live.export(calls(2, status=ERROR))
        seen = []
        while sum(event.data["total"]["requests"] for event in seen) < 5:
            seen.append(next(snapshots))
    totals = [event.data["total"] for event in seen]
    assert sum(total["requests"] for total in totals) == 5
    assert sum(total["errors"] for total in totals) == 2
    assert sum(total["tokens"] for total in totals) == 5 * 120
    assert sum(Decimal(total["cost_usd"]) for total in totals) == 5 * COST
    assert totals[-1]["error_rate"] == pytest.approx(0.4)
    # Spans of a second, in the bucket from 0.64 to 1.28 seconds.
    assert all(0.64 < t["p95_s"] <= 1.28 for t in totals if t["requests"])
    assert all(set(event.data["by_model"]) <= {"gpt-4o"} for event in seen)
    ids = [event.id for event in (first, *seen)]
    assert len(set(ids)) == len(ids)


def test_a_client_that_lost_the_stream_reads_on_and_misses_nothing(live: Service):
    with events(live) as stream:
        last = next(stream.snapshots())
    live.export(calls(4))
    live.wait_for(lambda m: m.value("llm_requests_total") >= 4)
    live.export(calls(3))
    total, previous = 0, last.id
    with events(live, last.id) as stream:
        for event in stream.snapshots():
            run, number = previous.split("-")
            assert event.id == f"{run}-{int(number) + 1}"
            previous = event.id
            total += event.data["total"]["requests"]
            if total >= 7:
                break
    assert total == 7


def test_two_clients_see_the_same_snapshots(live: Service):
    with events(live) as one, events(live) as other:
        theirs = {event.id: event.data for event in islice(other.snapshots(), 3)}
        mine = {event.id: event.data for event in islice(one.snapshots(), 6)}
    shared = mine.keys() & theirs.keys()
    assert shared
    assert all(mine[each] == theirs[each] for each in shared)


def test_a_stream_with_nothing_new_says_that_it_is_alive(tmp_path: Path):
    with (
        running_service(tmp_path, live_interval_s=60, live_heartbeat_s=0.1) as service,
        events(service) as stream,
    ):
        found = list(islice(stream, 3))
    assert [event.name for event in found] == ["", "", ""]


# Traces ------------------------------------------------------------------------------------------


def test_a_trace_is_seen_while_it_runs_and_when_it_has_finished(live: Service):
    with watching(live) as client:
        assert ask(client, feature="running") == {
            "type": "filter",
            "filter": {"feature": ["running"]},
        }
        trace = next(_TRACES)
        feature = {"feature": "running"}
        live.export(request(recent_call(feature, trace=trace, number=2, parent=1)))
        running = receive(client)["trace"]
        live.export(request(recent_call(feature, trace=trace, number=3, parent=1, status=ERROR)))
        live.export(request(recent_call({}, trace=trace, number=1, name="POST /chat")))
        states = [running]
        while states[-1]["spans"] < 3:
            states.append(receive(client)["trace"])
    assert running["trace_id"] == f"{trace:032x}"
    assert (running["status"], running["name"], running["calls"]) == ("running", None, 1)
    assert Decimal(running["cost_usd"]) == COST
    final = states[-1]
    assert (final["status"], final["name"], final["service"]) == ("finished", "POST /chat", "shop")
    assert final["errors"] == 1
    assert final["models"] == ["gpt-4o"]


def test_a_client_sees_only_what_its_filter_lets_through(live: Service):
    with watching(live) as cheap, watching(live) as dear:
        ask(cheap, feature="price", min_cost_usd="0.00045")
        ask(dear, feature="price", min_cost_usd="0.000450001")
        big = recent_call(
            {"feature": "price", "gen_ai.usage.input_tokens": 10**6}, trace=next(_TRACES)
        )
        small = recent_call({"feature": "price"}, trace=next(_TRACES))
        other = recent_call({"feature": "other"}, trace=next(_TRACES))
        live.export(request(other, small, big))
        assert {receive(cheap)["trace"]["trace_id"] for _ in range(2)} == {
            big.trace_id.hex(),
            small.trace_id.hex(),
        }
        assert receive(dear)["trace"]["trace_id"] == big.trace_id.hex()


def test_a_wrong_filter_is_answered_and_the_connection_lives_on(live: Service):
    with watching(live) as client:
        client.send('{"modell": "gpt-4o"}')
        error = receive(client)
        assert error["type"] == "error"
        assert error["message"].startswith("modell: no such filter; there are service, ")
        client.send(b"\x00\x01")
        assert receive(client)["type"] == "error"
        ask(client, feature="after")
        live.export(request(recent_call({"feature": "after"}, trace=next(_TRACES))))
        assert receive(client)["trace"]["features"] == ["after"]


def test_a_page_of_another_site_is_refused_and_one_of_ours_is_not(live: Service):
    with pytest.raises(InvalidStatus) as refused, watching(live, origin="http://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    with watching(live, origin=live.endpoints.api) as client:
        assert ask(client)["type"] == "filter"


def test_a_message_that_is_too_large_ends_only_its_own_connection(live: Service):
    with watching(live) as other:
        ask(other, feature="other")
        with watching(live) as client:
            client.send("x" * (1 << 20))
            with pytest.raises(ConnectionClosed):
                receive(client)
        live.export(request(recent_call({"feature": "other"}, trace=next(_TRACES))))
        assert receive(other)["trace"]["features"] == ["other"]


@contextmanager
def reads_nothing(service: Service) -> Iterator[ClientConnection]:
    """Watch with a small buffer, and read only when asked to."""
    parts = urlsplit(service.endpoints.api)
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect((parts.hostname, parts.port))
        with watching(service, sock=plain, max_queue=1, ping_interval=None) as client:
            yield client


def test_a_client_that_reads_nothing_is_told_what_it_lost_and_has_a_short_line(
    clickhouse: ClickHouseServer, tmp_path: Path
):
    traces, requests = 1000, 25
    url = store_url(clickhouse, "slow_client")
    with running_service(tmp_path, clickhouse_url=url, live_waiting_max_traces=50) as service:
        sent = traces * requests

        def send_all() -> None:
            before = service.metrics().value("llm_requests_total")
            for _ in range(requests):
                assert service.export(calls(traces, attributes=LONG)).status == 200
            service.wait_for(lambda m: m.value("llm_requests_total") >= before + sent)

        with reads_nothing(service) as slow:
            ask(slow)
            send_all()
            shown = lost = notices = 0
            while shown + lost < sent:
                message = receive(slow)
                shown += message["type"] == "trace"
                notices += message["type"] == "dropped"
                lost += message.get("traces", 0) + message.get("spans", 0)
        # Each trace is one span here: it was shown, dropped from the line or never summed up.
        assert shown + lost == sent
        assert notices
        # In its line, in the connection's buffers and in the kernel's: a line without a bound would
        # have kept all of them.
        assert shown < sent / 5


# Limits and the end ------------------------------------------------------------------------------


def test_more_clients_than_allowed_are_told_to_come_back_and_a_seat_is_free_again(tmp_path: Path):
    with running_service(tmp_path, live_clients_max=1, **FAST) as service:
        with events(service) as stream:
            next(stream.snapshots())
            with events(service) as refused:
                assert refused.response.status == 503
                assert refused.response.getheader("Retry-After") == "5"
                assert b"live_clients_max" in refused.response.read()
            with watching(service) as client:
                assert receive(client)["type"] == "error"
                with pytest.raises(ConnectionClosed) as closed:
                    receive(client)
                assert closed.value.rcvd.code == 1013

        def free() -> bool:
            with events(service) as stream:
                return stream.response.status == 200

        wait_until(free, WAIT_TIMEOUT_S, lambda: service.output)

        def watched() -> bool:
            # The seat may not be free yet.
            with watching(service) as client, suppress(ConnectionClosed):
                return ask(client)["type"] == "filter"
            return False

        wait_until(watched, WAIT_TIMEOUT_S, lambda: service.output)


def test_a_stop_ends_every_stream_at_once(tmp_path: Path):
    with running_service(tmp_path, **FAST) as service:
        with events(service) as stream, watching(service) as client:
            next(stream.snapshots())
            ask(client)
            service.signal()
            assert all(event.name == "snapshot" for event in stream)
            with pytest.raises(ConnectionClosed) as closed:
                receive(client)
            assert closed.value.rcvd.code in {1001, 1012}
        assert service.wait() == 0
        assert [line for line in service.log if line["level"] in {"WARNING", "ERROR"}] == []
