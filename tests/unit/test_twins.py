"""Calls that two instrumentations tell without knowing of each other: counted once, never fewer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.genai.attribution.memory import TraceMemory
from exporter.genai.attribution.roles import Reason
from exporter.genai.attribution.twins import NEIGHBOURS_MAX, SLACK_NS
from exporter.spans.batch import SpanBatch
from tests.support.otlp import ERROR, NOON_NS, OK, request, span
from tests.unit.pipeline import NORMALISE, decode

MS = 1_000_000


@dataclass(frozen=True)
class Told:
    """A call as one instrumentation tells it; times in milliseconds."""

    number: int
    scope: str = "openai"
    start: int = 10
    end: int = 90
    usage: tuple[int, int] | None = (29, 13)
    model: str = "gpt-4o-mini"
    operation: str = "chat"
    response_id: str | None = None
    error: str | None = None
    service: str = "shop"
    process: str | None = None
    trace: int | None = None
    parent: int = 0
    server: bool = False

    def span(self) -> Span:
        """Return it as OTLP, by default the root of a trace of its own."""
        attributes: dict[str, object] = {
            "gen_ai.operation.name": self.operation,
            "gen_ai.system": "openai",
        }
        if self.model:
            attributes["gen_ai.request.model"] = self.model
        if self.usage:
            attributes["gen_ai.usage.input_tokens"] = self.usage[0]
            attributes["gen_ai.usage.output_tokens"] = self.usage[1]
        if self.response_id:
            attributes["gen_ai.response.id"] = self.response_id
        if self.error:
            attributes["error.type"] = self.error
        return span(
            attributes,
            number=self.number,
            trace=self.trace or self.number,
            parent=self.parent,
            start_ns=NOON_NS + self.start * MS,
            duration_ns=(self.end - self.start) * MS,
            status=ERROR if self.error else OK,
            kind=Span.SPAN_KIND_SERVER if self.server else Span.SPAN_KIND_CLIENT,
        )


def batch_of(calls: Iterable[Told]) -> SpanBatch:
    """Return the calls as one batch, each in a request of its instrumentation."""
    requests: list[bytes] = []
    for call in calls:
        resource = {"service.name": call.service}
        if call.process:
            resource["service.instance.id"] = call.process
        requests.append(request(call.span(), resource=resource, scope=call.scope))
    return NORMALISE(decode(*requests))


def owners(*batches: Sequence[Told], held: bool = True) -> set[int]:
    """Return the numbers of the calls that are counted; `held`: all arrive before any decision."""
    memory = TraceMemory(max_spans=10_000, max_age_s=600)
    found: set[int] = set()
    waiting: list[SpanBatch] = []
    for calls in batches:
        if calls:
            waiting.append(batch_of(calls))
            memory.remember(waiting[-1], 0.0)
        if not held and waiting:
            found |= _owners(memory, waiting.pop())
    for batch in waiting:
        found |= _owners(memory, batch)
    return found


def _owners(memory: TraceMemory, batch: SpanBatch) -> set[int]:
    attributed = memory.attribute(batch)
    numbers = [int(text, 16) for text in attributed["SpanId"].to_pylist()]
    roles = attributed["UsageRole"].to_pylist()
    return {number for number, role in zip(numbers, roles, strict=True) if role == "own"}


# The wrapper begins before the client of the provider and ends after it.
OUTER = Told(1, scope="langchain", start=0, end=100)
INNER = Told(2)


@pytest.mark.parametrize(
    ("calls", "counted"),
    [
        pytest.param([OUTER, INNER], {2}, id="roots of two traces"),
        pytest.param(
            [replace(OUTER, trace=9, parent=8), replace(INNER, trace=9, parent=8)],
            {2},
            id="siblings of one trace",
        ),
        pytest.param(
            [OUTER, replace(INNER, response_id="r1")], {2}, id="only one knows the response id"
        ),
        pytest.param(
            [OUTER, replace(INNER, model="gpt-4o-mini-2024-07-18")],
            {2},
            id="one names the dated model",
        ),
        pytest.param(
            [replace(OUTER, model="openai/gpt-4o-mini"), INNER], {2}, id="a gateway's name"
        ),
        pytest.param([OUTER, replace(INNER, usage=None)], {1}, id="the inner one has no usage"),
        pytest.param([replace(OUTER, usage=None), INNER], {2}, id="the outer one has no usage"),
        pytest.param(
            [replace(OUTER, usage=None), replace(INNER, usage=None)], {2}, id="neither has usage"
        ),
        pytest.param(
            [
                replace(OUTER, usage=None, error="RateLimitError"),
                replace(INNER, usage=None, error="RateLimitError"),
            ],
            {2},
            id="both failed alike",
        ),
        pytest.param(
            [OUTER, replace(INNER, start=40, end=100 + SLACK_NS // MS)], {2}, id="within the slack"
        ),
        pytest.param(
            [OUTER, replace(INNER, operation="generate_content")], {2}, id="a word for chat"
        ),
        pytest.param(
            [OUTER, Told(3, scope="litellm", start=5, end=95), INNER], {2}, id="three tell it"
        ),
        pytest.param(
            [replace(OUTER, process="a"), INNER], {2}, id="only one says which process it is"
        ),
    ],
)
def test_a_call_that_is_told_by_several_is_counted_once(
    calls: list[Told], counted: set[int]
) -> None:
    assert owners(calls) == counted
    assert owners(*([call] for call in reversed(calls))) == counted


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([OUTER, replace(INNER, scope="langchain")], id="one instrumentation"),
        pytest.param([OUTER, replace(INNER, scope="")], id="an instrumentation without a name"),
        pytest.param([OUTER, replace(INNER, service="kitchen")], id="another service"),
        pytest.param(
            [replace(OUTER, process="a"), replace(INNER, process="b")], id="another process"
        ),
        pytest.param([OUTER, replace(INNER, start=60, end=150)], id="ends later"),
        pytest.param([OUTER, replace(INNER, start=-50, end=40)], id="begins earlier"),
        pytest.param([OUTER, replace(INNER, start=200, end=260)], id="at another time"),
        pytest.param(
            [OUTER, replace(INNER, start=40, end=101 + SLACK_NS // MS)], id="just beyond the slack"
        ),
        pytest.param([OUTER, replace(INNER, model="gpt-4.1")], id="another model"),
        pytest.param([OUTER, replace(INNER, model="")], id="a model that is not named"),
        pytest.param([OUTER, replace(INNER, usage=(29, 14))], id="other usage"),
        pytest.param([OUTER, replace(INNER, operation="embeddings")], id="another kind of call"),
        pytest.param(
            [replace(OUTER, response_id="r1"), replace(INNER, response_id="r2")],
            id="another response id",
        ),
        pytest.param(
            [OUTER, replace(INNER, usage=None, error="RateLimitError")], id="only one failed"
        ),
        pytest.param(
            [
                replace(OUTER, usage=None, error="TimeoutError"),
                replace(INNER, usage=None, error="RateLimitError"),
            ],
            id="failed otherwise",
        ),
        pytest.param(
            [replace(OUTER, trace=8, parent=7), replace(INNER, trace=9, parent=7)],
            id="below spans of two traces",
        ),
        pytest.param([OUTER, replace(INNER, trace=9, parent=8)], id="a root and one below a span"),
        pytest.param([OUTER, replace(INNER, server=True)], id="a server's"),
    ],
)
def test_calls_that_differ_in_anything_are_counted_each(calls: list[Told]) -> None:
    assert owners(calls) == {1, 2}


def test_of_one_instrumentation_at_most_one_is_matched() -> None:
    """Two equal calls at once, each told twice: two, not one and not four."""
    calls = [
        Told(1, scope="langchain", start=0, end=100),
        Told(2, scope="langchain", start=1, end=101),
        Told(3, start=10, end=90),
        Told(4, start=11, end=91),
    ]
    assert owners(calls) == {3, 4}
    assert owners([*calls, Told(5, start=12, end=92)]) == {3, 4, 5}, "one more was told once"


def test_two_calls_with_other_usage_do_not_become_one_through_a_third_without() -> None:
    calls = [
        Told(1, scope="a", start=0, end=100, usage=(10, 5)),
        Told(2, scope="b", start=5, end=95, usage=None),
        Told(3, scope="c", start=10, end=90, usage=(20, 10)),
    ]
    assert len(owners(calls)) == 2


def test_equal_usage_is_matched_before_no_usage() -> None:
    calls = [
        Told(1, scope="langchain", start=0, end=100, usage=(10, 5)),
        Told(2, start=10, end=90, usage=None),
        Told(3, start=11, end=89, usage=(10, 5)),
    ]
    assert owners(calls) == {2, 3}


def test_a_call_with_a_twin_by_its_id_gets_no_other_one() -> None:
    calls = [
        replace(OUTER, response_id="r1"),
        replace(INNER, response_id="r1"),
        Told(3, scope="langchain", start=1, end=99),
    ]
    assert len(owners(calls)) == 2


def test_a_call_above_another_one_is_no_twin_of_a_third() -> None:
    """What a nested pair tells is known; a sibling with the same numbers is another call."""
    calls = [
        replace(OUTER, trace=9),
        Told(3, scope="litellm", start=5, end=95, trace=9, parent=1),
        INNER,
    ]
    assert owners(calls) == {3, 2}


def test_what_was_counted_stays_when_its_twin_comes_late() -> None:
    assert owners([OUTER], [INNER], held=False) == {1}
    assert owners([INNER], [OUTER], held=False) == {2}
    late = [Told(3, start=11, end=91), Told(4, scope="langchain", start=1, end=99)]
    assert len(owners([OUTER, INNER], late, held=False)) == 2


def test_a_twin_that_is_sent_again_is_no_second_call() -> None:
    assert owners([OUTER, INNER], [OUTER], [INNER], held=False) == {2}


def test_twins_are_found_across_the_halves_of_the_memory() -> None:
    memory = TraceMemory(max_spans=10_000, max_age_s=10)
    first, second = batch_of([OUTER]), batch_of([INNER])
    memory.remember(first, 0.0)
    memory.remember(second, 6.0)
    assert _owners(memory, first) | _owners(memory, second) == {2}


def test_the_reason_says_so() -> None:
    memory = TraceMemory(max_spans=10_000, max_age_s=600)
    batch = batch_of([OUTER, INNER])
    memory.remember(batch, 0.0)
    memory.attribute(batch)
    assert [memory.reason(key) for key in batch.keys.tolist()] == [
        Reason.SAME_TIME,
        Reason.KNOWS_MOST,
    ]


@pytest.mark.parametrize("usage", [(29, 13), None], ids=["with usage", "without"])
def test_many_equal_calls_at_once_are_counted_each(usage: tuple[int, int] | None) -> None:
    pairs = NEIGHBOURS_MAX // 4
    calls = [
        call
        for n in range(pairs)
        for call in (
            Told(2 * n + 1, scope="langchain", start=n, end=1000 + 3 * n, usage=(29, 13)),
            Told(2 * n + 2, start=n + 1, end=999 + 3 * n, usage=usage),
        )
    ]
    assert len(owners(calls)) == pairs


def test_a_flood_of_calls_at_once_is_bounded_and_loses_none() -> None:
    calls = [
        Told(n, scope="ab"[n % 2], start=n // 2, end=5000 - n // 2, usage=None)
        for n in range(1, 6 * NEIGHBOURS_MAX)
    ]
    assert len(owners(calls)) >= len(calls) // 2


# Properties -------------------------------------------------------------------------------------


@st.composite
def tellings(draw: st.DrawFn) -> list[Told]:
    """Return calls of few distinct kinds, so that coincidences happen."""
    return [
        Told(
            number,
            scope=draw(st.sampled_from(["langchain", "litellm", "openai"])),
            start=(start := draw(st.integers(0, 4)) * 20),
            end=start + draw(st.integers(1, 4)) * 20,
            usage=draw(st.sampled_from([(10, 5), (10, 5), (20, 10), None])),
            model=draw(st.sampled_from(["gpt-4o-mini", "gpt-4o-mini-2024-07-18"])),
            response_id=draw(st.sampled_from([None, None, None, "r1"])),
            trace=draw(st.sampled_from([None, 99])),
        )
        for number in range(1, draw(st.integers(1, 7)) + 1)
    ]


@given(calls=tellings(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_order_and_any_split_counts_the_same_calls(
    calls: list[Told], data: st.DataObject
) -> None:
    expected = owners(calls)
    order = data.draw(st.permutations(calls))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=3)))
    parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    assert owners(*parts) == expected


@given(calls=tellings(), scope=st.sampled_from(["langchain", "litellm", "openai"]))
@example(calls=[OUTER, INNER], scope="openai")
@settings(max_examples=60, deadline=None)
def test_never_fewer_calls_than_one_instrumentation_tells(calls: list[Told], scope: str) -> None:
    """Without ids, what one instrumentation tells are that many calls."""
    silent = [replace(call, response_id=None) for call in calls]
    assert len(owners(silent)) >= sum(call.scope == scope for call in silent)


@given(calls=tellings(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_without_any_hold_nothing_that_was_counted_is_taken_back(
    calls: list[Told], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(calls))
    memory = TraceMemory(max_spans=10_000, max_age_s=600)
    batches = [batch_of([call]) for call in order]
    first: set[int] = set()
    for batch in batches:
        memory.remember(batch, 0.0)
        first |= _owners(memory, batch)
        memory.forgive(batch)
    again: set[int] = set()
    for batch in batches:
        again |= _owners(memory, batch)
    assert again == first
