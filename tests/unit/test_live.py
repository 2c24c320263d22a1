"""The pure parts of the live streams: rates, the ring of snapshots, traces, filters, lines."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import MalformedError
from exporter.genai.estimate import Estimator
from exporter.genai.tokenizers import Tokenizers
from exporter.live.filters import TraceFilter, read_filter
from exporter.live.meter import Meter, Reading, quantile, snapshot
from exporter.live.snapshots import Event, Snapshots
from exporter.live.traces import TraceFeed, Watcher
from exporter.live.tracker import VALUES_MAX, Trace, Tracker
from exporter.metrics import catalog
from exporter.metrics.observe import Observer
from exporter.spans.batch import SpanBatch
from tests.support.otlp import ERROR, NOON_NS, NS, span
from tests.unit.pipeline import PRICE, chat, normalise

ESTIMATE = Estimator(Tokenizers({}), span_max_chars=1000, batch_max_chars=0)
BUCKETS = len(catalog.DURATION_BUCKETS_S) + 1


def price(*spans: Any, **of_request: Any) -> SpanBatch:
    return PRICE(ESTIMATE(normalise(*spans, **of_request)))


def usage(asked: int, answered: int = 0) -> dict[str, int]:
    return {"gen_ai.usage.input_tokens": asked, "gen_ai.usage.output_tokens": answered}


# What happened between two readings --------------------------------------------------------------


class Watched:
    """An observer with a meter and a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.observe = Observer(extra_labels=["feature"], label_values_max=1000, series_max=1000)
        self.read = Meter(self.observe, clock=lambda: self.now, wall=lambda: 1e9 + self.now)


def test_a_snapshot_by_hand():
    watched = Watched()
    watched.observe(price(chat(usage(99), number=1)))
    base = watched.read()
    watched.observe(
        price(
            chat(usage(1000, 100), number=2, duration_ns=1280 * NS // 1000),
            chat(usage(500), number=3, duration_ns=1280 * NS // 1000),
            chat({"error.type": "429"}, number=4, status=ERROR, duration_ns=20 * NS),
            chat({"gen_ai.request.model": "mine"} | usage(7), number=5, duration_ns=20 * NS),
        )
    )
    watched.now = 2.0
    made = snapshot(base, base, watched.read())
    assert made["time_unix_s"] == 1e9 + 2
    assert made["interval_s"] == made["window_s"] == 2
    # 1,500 tokens at 2.50 and 100 at 10 dollars a million.
    assert made["total"] == {
        "requests": 4,
        "errors": 1,
        "unpriced": 1,
        "tokens": 1607,
        "cost_usd": "0.004750000",
        "requests_per_s": 2.0,
        "tokens_per_s": 803.5,
        "cost_usd_per_h": pytest.approx(0.00475 / 2 * 3600),
        "error_rate": 0.25,
        "p50_s": 1.28,
        "p95_s": pytest.approx(10.24 + 0.9 * 10.24),
    }
    assert set(made["by_model"]) == {"gpt-4o", "mine"}
    assert made["by_model"]["mine"]["requests"] == 1
    # What has no price is said beside the cost, or it would look free.
    mine = made["by_model"]["mine"]
    assert (mine["cost_usd"], mine["unpriced"]) == ("0.000000000", 1)


def test_nothing_has_no_error_rate_and_no_latency():
    watched = Watched()
    before = watched.read()
    watched.now = 1.0
    made = snapshot(before, before, watched.read())
    assert made["by_model"] == {}
    assert made["total"]["error_rate"] is None
    assert made["total"]["p50_s"] is None
    assert made["total"]["requests_per_s"] == 0


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["gpt-4o", "o3", "mine"]),
        st.booleans(),
        st.integers(0, 10_000),
        st.integers(0, 400 * NS),
        st.sampled_from(["", "search"]),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(steps=st.lists(CALLS, min_size=1, max_size=5))
def test_the_snapshots_add_up_to_the_counters(steps: Sequence[Any]):
    watched = Watched()
    first = before = watched.read()
    parts: list[dict[str, Any]] = []
    number = 0
    for calls in steps:
        spans = []
        for model, failed, tokens, duration_ns, feature in calls:
            number += 1
            attributes = {"gen_ai.request.model": model, "feature": feature} | usage(tokens)
            failure = {"status": ERROR} if failed else {}
            spans.append(chat(attributes, number=number, duration_ns=duration_ns, **failure))
        if spans:
            watched.observe(price(*spans))
        watched.now += 1
        now = watched.read()
        parts.append(snapshot(first, before, now))
        before = now
    whole = snapshot(first, first, before)
    every = [call for calls in steps for call in calls]
    assert whole["total"]["requests"] == len(every)
    assert whole["total"]["errors"] == sum(failed for _, failed, *_ in every)
    assert whole["total"]["tokens"] == sum(tokens for _, _, tokens, *_ in every)
    for name in ("requests", "errors", "tokens"):
        assert sum(part["total"][name] for part in parts) == whole["total"][name]
        for made in (*parts, whole):
            assert sum(f[name] for f in made["by_model"].values()) == made["total"][name]
    assert sum(Decimal(part["total"]["cost_usd"]) for part in parts) == Decimal(
        whole["total"]["cost_usd"]
    )


@given(st.lists(st.integers(0, 100), min_size=BUCKETS, max_size=BUCKETS), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_of_its_rank(counts: list[int], share: float):
    at_most = np.cumsum(counts)
    found = quantile(share, at_most)
    if not at_most[-1]:
        assert found is None
        return
    bounds = [0.0, *catalog.DURATION_BUCKETS_S, float("inf")]
    bucket = next(i for i, n in enumerate(at_most) if n >= share * at_most[-1])
    assert found is not None
    assert bounds[bucket] <= found <= bounds[bucket + 1]


# The ring ----------------------------------------------------------------------------------------


def reading(second: int, requests: int) -> Reading:
    return Reading(
        float(second),
        1e9 + second,
        ["m"],
        np.array([[requests, 0, 0, 0, 0]]),
        np.zeros((1, BUCKETS), dtype=np.int64),
    )


def ring(history: int = 4, readings: Iterable[Reading] = ()) -> Snapshots:
    waiting = iter(readings)
    # The clock of the streams does not tick in these tests: a test publishes.
    return Snapshots(lambda: next(waiting), interval_s=60, window_s=600, history=history)


async def collect(made: Snapshots, last_id: str, count: int) -> list[Event]:
    found: list[Event] = []
    async for event in made.follow(last_id, 60):
        if event is not None:
            found.append(event)
        if len(found) == count:
            break
    return found


def filled(events: int, history: int = 4) -> Snapshots:
    made = ring(history, [reading(events + 1, 10 * (events + 1))])
    for second in range(events + 1):
        made.publish(reading(second, 10 * second))
    return made


def requests_of(events: Iterable[Event]) -> list[int]:
    return [json.loads(each.data)["total"]["requests"] for each in events]


async def test_a_client_without_an_id_gets_what_comes():
    made = filled(3)
    (event,) = await collect(made, "", 1)
    assert (event.name, event.id.partition("-")[2]) == ("snapshot", "4")


async def test_a_client_that_comes_back_reads_on_where_it_was():
    made = filled(3)
    run = (await collect(made, "", 1))[0].id.partition("-")[0]
    found = await collect(made, f"{run}-2", 2)
    assert [event.id for event in found] == [f"{run}-3", f"{run}-4"]
    assert requests_of(found) == [10, 10]


async def test_what_has_left_the_ring_is_told_as_a_number():
    made = filled(9, history=3)
    run = (await collect(made, "", 1))[0].id.partition("-")[0]
    missed, *found = await collect(made, f"{run}-2", 4)
    assert (missed.name, json.loads(missed.data)) == ("missed", {"snapshots": 5})
    assert missed.id == f"{run}-7"
    assert [event.id for event in found] == [f"{run}-8", f"{run}-9", f"{run}-10"]


@pytest.mark.parametrize("last_id", ["zz-1", "1", "-1", "nonsense", "a-b-c", "9" * 5000])
async def test_an_id_that_is_not_ours_starts_with_what_comes(last_id: str):
    (event,) = await collect(filled(3), last_id, 1)
    assert event.id.endswith("-4")


async def test_an_id_of_the_future_waits_for_what_comes():
    made = filled(3)
    run = made._run
    (event,) = await collect(made, f"{run}-{10**30}", 1)
    assert event.id == f"{run}-4"


async def test_a_stream_with_nothing_new_says_so():
    made = ring(readings=[reading(0, 0)])
    async for event in made.follow("", 0.01):
        assert event is None
        break


async def test_nothing_is_read_while_nobody_watches():
    count = 0

    def read() -> Reading:
        nonlocal count
        count += 1
        return reading(count, count)

    made = Snapshots(read, interval_s=0.01, window_s=1, history=10)
    await collect(made, "", 3)
    await asyncio.wait_for(made._clock, 10)
    seen = count
    assert made._clock.done()
    await collect(made, "", 1)
    assert count > seen


async def test_closing_ends_every_stream():
    made = ring(readings=[reading(0, 0)])
    ended = asyncio.create_task(collect(made, "", 1))
    waiting = asyncio.create_task(collect(made, "", 1))
    await asyncio.sleep(0)
    made.close()
    assert await asyncio.wait_for(ended, 10) == await asyncio.wait_for(waiting, 10) == []


# Traces ------------------------------------------------------------------------------------------


def test_a_trace_is_summed_up_and_is_finished_when_its_root_has_come():
    tracker = Tracker(10)
    call = chat(
        usage(1000, 100) | {"feature": "help"},
        number=2,
        parent=1,
        start_ns=NOON_NS + NS,
        duration_ns=3 * NS,
    )
    unpriced = chat({"gen_ai.request.model": "mine"} | usage(7), number=3, parent=1, status=ERROR)
    (trace,) = tracker.add(price(call, unpriced))
    assert trace.summary() == {
        "trace_id": f"{1:032x}",
        "status": "running",
        "name": None,
        "service": None,
        "start": "2026-11-20T12:00:00.000000Z",
        "duration_s": 4.0,
        "spans": 2,
        "errors": 1,
        "calls": 2,
        "unpriced_calls": 1,
        "tokens": 1107,
        "estimated_tokens": 0,
        "cost_usd": "0.003500000",
        "estimated_cost_usd": "0.000000000",
        "services": ["shop"],
        "providers": ["openai"],
        "models": ["gpt-4o", "mine"],
        "features": ["help"],
        "tenants": [],
        "environments": [],
        "releases": [],
        "agents": [],
        "tools": [],
    }
    root = span(number=1, name="POST /chat", duration_ns=9 * NS)
    (trace,) = tracker.add(price(root, resource={"service.name": "front"}))
    found = trace.summary()
    assert (found["status"], found["name"], found["service"]) == ("finished", "POST /chat", "front")
    assert (found["spans"], found["duration_s"]) == (3, 9.0)
    assert found["services"] == ["front", "shop"]


def test_what_is_estimated_is_kept_apart_and_what_has_no_price_costs_not_nothing():
    text = {"gen_ai.input.messages": "word " * 320, "gen_ai.output.messages": "word " * 32}
    (guessed,) = Tracker(10).add(price(chat(text, number=1)))
    assert guessed.tokens == guessed.nano == 0
    assert guessed.estimated_tokens > 0
    assert Decimal(guessed.summary()["estimated_cost_usd"]) > 0
    (unpriced,) = Tracker(10).add(
        price(chat({"gen_ai.request.model": "mine"} | usage(5), number=1))
    )
    assert unpriced.summary()["cost_usd"] is None
    (plain,) = Tracker(10).add(price(span(number=1)))
    assert Decimal(plain.summary()["cost_usd"]) == 0


SPANS = st.lists(
    st.tuples(st.integers(1, 4), st.booleans(), st.integers(0, 1000), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(spans=SPANS, data=st.data())
def test_traces_do_not_depend_on_how_their_spans_arrive(spans: list[Any], data: Any):
    built = []
    for number, (trace, is_call, tokens, root) in enumerate(spans, 1):
        place = {"number": number, "trace": trace, "parent": 0 if root else 999}
        built.append(chat(usage(tokens), **place) if is_call else span(**place))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(built)), max_size=3)))
    shuffled = data.draw(st.permutations(built))
    split, whole = Tracker(10), Tracker(10)
    latest: dict[str, Any] = {}
    for a, b in zip([0, *cuts], [*cuts, len(built)], strict=True):
        if a < b:
            latest |= {t.id: t.summary() for t in split.add(price(*shuffled[a:b]))}
    assert latest == {t.id: t.summary() for t in whole.add(price(*built))}
    for summary in latest.values():
        own = [s for s in spans if f"{s[0]:032x}" == summary["trace_id"]]
        assert summary["spans"] == len(own)
        assert summary["tokens"] == sum(tokens for _, is_call, tokens, _ in own if is_call)
        assert (summary["status"] == "finished") == any(root for *_, root in own)


def test_the_quietest_trace_goes_first():
    tracker = Tracker(2)
    tracker.add(price(span(number=1, trace=1)))
    tracker.add(price(span(number=2, trace=2)))
    tracker.add(price(span(number=3, trace=1)))
    tracker.add(price(span(number=4, trace=3)))
    assert len(tracker) == 2
    assert [t.spans for t in tracker.add(price(span(number=5, trace=1)))] == [3]
    assert [t.spans for t in tracker.add(price(span(number=6, trace=2)))] == [1]


def test_a_batch_of_more_traces_than_are_tracked_stays_in_bounds():
    tracker = Tracker(3)
    found = tracker.add(price(*(span(number=n, trace=n) for n in range(1, 9))))
    assert sorted(int(trace.id, 16) for trace in found) == [6, 7, 8]
    assert len(tracker) == 3


def test_a_trace_lists_only_so_many_values():
    tracker = Tracker(3)
    many = [chat({"feature": f"f{n}"}, number=n) for n in range(1, 3 * VALUES_MAX)]
    (trace,) = tracker.add(price(*many))
    assert len(trace.summary()["features"]) == VALUES_MAX


# Filters -----------------------------------------------------------------------------------------


def seen(**values: Any) -> Trace:
    trace = Trace("t", name="root", start_ns=0, end_ns=2 * NS, errors=1, tokens=10, nano=5 * 10**6)
    trace.values["model"] |= {"gpt-4o", "o3"}
    trace.values["tenant"] |= {"acme"}
    for name, value in values.items():
        setattr(trace, name, value)
    return trace


@pytest.mark.parametrize(
    ("given_filter", "wanted"),
    [
        ({}, True),
        ({"model": "o3"}, True),
        ({"model": ["o1", "gpt-4o"]}, True),
        ({"model": "o1"}, False),
        ({"model": "o3", "tenant": "globex"}, False),
        ({"feature": "search"}, False),
        ({"status": "finished"}, True),
        ({"status": "running"}, False),
        ({"errors": True}, True),
        ({"errors": False}, False),
        ({"min_cost_usd": "0.005"}, True),
        ({"min_cost_usd": "0.005000001"}, False),
        ({"min_duration_s": 2}, True),
        ({"min_duration_s": 2.001}, False),
        ({"min_tokens": 11}, False),
    ],
    ids=str,
)
def test_a_filter_matches_what_it_says(given_filter: dict[str, Any], wanted: bool):
    assert read_filter(json.dumps(given_filter)).matches(seen()) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'a filter is a JSON object, such as {"model": "gpt-4o"}'),
        ("[1]", 'a filter is a JSON object, such as {"model": "gpt-4o"}'),
        ("[" * 10_000, 'a filter is a JSON object, such as {"model": "gpt-4o"}'),
        ("x" * 20_000, "a filter has at most 16384 characters"),
        ('{"modell": "x"}', "modell: no such filter; there are service, provider, model"),
        ('{"status": "done"}', "status: Input should be 'running' or 'finished'"),
        ('{"min_cost_usd": -1}', "min_cost_usd: Input should be greater than or equal to 0"),
        ('{"min_cost_usd": "NaN"}', "min_cost_usd: "),
        ('{"min_duration_s": Infinity}', "min_duration_s: Input should be a finite number"),
        ('{"model": 7}', "model: "),
    ],
    ids=lambda text: text[:30],
)
def test_a_wrong_filter_is_told_what_is_wrong(text: str, message: str):
    with pytest.raises(MalformedError) as error:
        read_filter(text)
    assert str(error.value).startswith(message)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_no_text_is_more_than_a_wrong_filter(raw: Any):
    try:
        found = read_filter(raw if isinstance(raw, str) else json.dumps(raw))
    except MalformedError:
        return
    assert isinstance(found, TraceFilter)


# A client's line ---------------------------------------------------------------------------------


@given(
    offers=st.lists(st.integers(1, 8), max_size=40),
    waiting_max=st.integers(1, 5),
    data=st.data(),
)
def test_a_line_is_bounded_keeps_the_newest_and_accounts_for_every_trace(
    offers: list[int], waiting_max: int, data: Any
):
    watcher = Watcher(waiting_max, lambda: None)
    waiting: dict[str, str] = {}
    dropped = told = 0
    for state, trace in enumerate(offers):
        watcher.offer([(str(trace), f'{{"state": {state}}}')])
        if str(trace) not in waiting and len(waiting) == waiting_max:
            waiting.pop(next(iter(waiting)))
            dropped += 1
        waiting[str(trace)] = f'{{"state": {state}}}'
        if data.draw(st.booleans()):
            messages = [json.loads(message) for message in watcher.take()]
            told += sum(m["traces"] for m in messages if m.get("type") == "dropped")
            assert [m for m in messages if "state" in m] == list(map(json.loads, waiting.values()))
            waiting.clear()
            assert told == dropped


def test_nobody_watching_costs_nothing_and_a_full_line_is_told():
    feed = TraceFeed(traces_max=10, waiting_max=10)
    batch = price(span(number=1), span(number=2))
    feed.offer(batch)
    assert not feed._line
    woken = threading.Event()
    watcher = feed.join(woken.set)
    # Its thread does not run yet, as if it were behind.
    for _ in range(10):
        feed.offer(batch)
    assert len(feed._line) == 8
    feed.start()
    assert woken.wait(10)
    messages = [json.loads(message) for message in watcher.take()]
    assert messages[0] == {"type": "missed", "spans": 4}
    feed.leave(watcher)
    assert not feed._line
    feed.close()
    feed._thread.join(10)
    assert not feed._thread.is_alive()
