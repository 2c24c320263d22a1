"""Who owns the usage: every call is counted once, in whatever order its spans arrive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry

from exporter.genai.attribution.memory import TraceMemory
from exporter.genai.attribution.roles import Reason
from exporter.genai.attribution.scene import Scene
from exporter.genai.estimate import Estimator
from exporter.genai.tokenizers import Tokenizers
from exporter.metrics.exposition import WorkloadCollector
from exporter.metrics.observe import Observer
from exporter.spans.batch import SpanBatch
from tests.support.otlp import NOON_NS, NS, span
from tests.unit.pipeline import PRICE, normalise

LATER = NOON_NS + 1
SERVER = Span.SPAN_KIND_SERVER


def memory(max_spans: int = 10_000) -> TraceMemory:
    return TraceMemory(max_spans=max_spans, max_age_s=600)


def usage(asked: int, answered: int, **more: Any) -> dict[str, Any]:
    return {"gen_ai.usage.input_tokens": asked, "gen_ai.usage.output_tokens": answered, **more}


def made(
    number: int, parent: int, operation: str | None, counts: dict[str, Any] | None, **of: Any
) -> Span:
    """Return a span of the one trace that a test is about."""
    attributes: dict[str, Any] = {"gen_ai.request.model": "gpt-4o", "gen_ai.system": "openai"}
    if operation:
        attributes["gen_ai.operation.name"] = operation
    return span(attributes | (counts or {}), number=number, parent=parent, **of)


def roles(*batches: Iterable[Span], held: bool = True) -> dict[int, str | None]:
    """Return the role of each span by its number; `held`: all arrive before any decision."""
    remembered = memory()
    found: dict[int, str | None] = {}
    waiting: list[SpanBatch] = []
    for spans in batches:
        batch = normalise(*spans)
        remembered.remember(batch, 0.0)
        waiting.append(batch)
        if not held:
            found |= _roles(remembered, waiting.pop())
    for batch in waiting:
        found |= _roles(remembered, batch)
    return found


def _roles(remembered: TraceMemory, batch: SpanBatch) -> dict[int, str | None]:
    attributed = remembered.attribute(batch)
    numbers = [int(text, 16) for text in attributed["SpanId"].to_pylist()]
    return dict(zip(numbers, attributed["UsageRole"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([made(1, 0, "chat", usage(10, 5))], {1: "own"}, id="a call alone"),
        pytest.param([span(number=1)], {1: None}, id="a span that is no call has no role"),
        pytest.param(
            [made(1, 0, "chat", usage(10, 5)), made(2, 1, "chat", usage(10, 5))],
            {1: "duplicate", 2: "own"},
            id="two instrumentations of one call: the deeper one",
        ),
        pytest.param(
            [
                made(1, 0, "chat", usage(10, 5, **{"gen_ai.usage.cache_read.input_tokens": 4})),
                made(2, 1, "chat", usage(10, 5)),
            ],
            {1: "own", 2: "duplicate"},
            id="of two equal ones the one with cache detail",
        ),
        pytest.param(
            [
                made(1, 0, "chat", usage(10, 5)),
                span(number=2, parent=1, name="POST"),
                made(3, 2, "chat", usage(10, 5)),
            ],
            {1: "duplicate", 2: None, 3: "own"},
            id="with an HTTP span between them",
        ),
        pytest.param(
            [made(1, 0, None, usage(10, 5)), made(2, 1, "generate_content", usage(10, 5))],
            {1: "rollup", 2: "own"},
            id="ADK: call_llm repeats the usage of its child",
        ),
        pytest.param(
            [made(1, 0, None, usage(10, 5))], {1: "own"}, id="usage and nothing else: it counts"
        ),
        pytest.param(
            [
                made(1, 0, "invoke_agent", usage(150, 42)),
                made(2, 1, "chat", usage(100, 30)),
                made(3, 1, "chat", usage(100, 30)),
            ],
            {1: "rollup", 2: "own", 3: "own"},
            id="an agent's usage is a roll-up even where it is no sum; siblings are two calls",
        ),
        pytest.param(
            [made(1, 0, "invoke_agent", usage(150, 42)), made(2, 1, "execute_tool", None)],
            {1: "own", 2: None},
            id="an agent whose children carry no usage keeps its own",
        ),
        pytest.param(
            [
                made(1, 0, "invoke_workflow", usage(20, 10)),
                made(2, 1, "invoke_agent", usage(20, 10)),
            ],
            {1: "rollup", 2: "own"},
            id="of nested agents the inner one",
        ),
        pytest.param(
            [
                made(1, 0, "chat", usage(30, 15)),
                made(2, 1, "chat", usage(10, 5)),
                made(3, 1, "chat", usage(20, 10)),
            ],
            {1: "rollup", 2: "own", 3: "own"},
            id="a call whose usage is the sum of those below it",
        ),
        pytest.param(
            [
                made(1, 0, "chat", usage(10, 5)),
                made(2, 1, "execute_tool", None),
                made(3, 2, "chat", usage(10, 5)),
            ],
            {1: "own", 2: None, 3: "own"},
            id="a tool between them: two calls",
        ),
        pytest.param(
            [made(1, 0, "chat", usage(10, 5)), made(2, 1, "chat", usage(9, 5), kind=SERVER)],
            {1: "own", 2: "server"},
            id="client and server of one call",
        ),
        pytest.param(
            [made(1, 0, "chat", None), made(2, 1, "chat", usage(9, 5), kind=SERVER)],
            {1: "duplicate", 2: "own"},
            id="a client without usage, a server with it",
        ),
        pytest.param(
            [made(1, 0, "chat", usage(9, 5), kind=SERVER)], {1: "own"}, id="a server alone"
        ),
        pytest.param(
            [made(1, 0, "chat", None), made(2, 1, "chat", usage(9, 5))],
            {1: "duplicate", 2: "own"},
            id="an outer call without usage",
        ),
        pytest.param(
            [made(1, 0, "chat", usage(9, 5)), made(2, 1, "chat", None)],
            {1: "own", 2: "duplicate"},
            id="an inner call without usage",
        ),
        pytest.param(
            [made(1, 0, "chat", None), made(2, 1, "chat", None)],
            {1: "duplicate", 2: "own"},
            id="a failed call, seen twice",
        ),
        pytest.param(
            [
                made(1, 9, "chat", usage(99, 5, **{"gen_ai.response.id": "r1"})),
                made(2, 9, "chat", usage(98, 5, **{"gen_ai.response.id": "r1"}), start_ns=LATER),
                made(3, 9, "chat", usage(98, 5, **{"gen_ai.response.id": "r2"})),
            ],
            {1: "duplicate", 2: "own", 3: "own"},
            id="siblings with one response id",
        ),
        pytest.param(
            [made(1, 0, "fetch_response", usage(10, 5))], {1: "rollup"}, id="a stored answer"
        ),
        pytest.param([made(1, 1, "chat", usage(10, 5))], {1: "own"}, id="its own parent"),
    ],
)
def test_roles(spans: list[Span], expected: dict[int, str | None]) -> None:
    assert roles(spans) == expected


def test_of_two_that_are_each_the_others_parent_one_is_counted() -> None:
    found = roles([made(1, 2, "chat", usage(10, 5)), made(2, 1, "chat", usage(10, 5))])
    assert sorted(map(str, found.values())) == ["duplicate", "own"]


def test_a_span_that_is_sent_again_is_counted_once() -> None:
    call = made(1, 0, "chat", usage(10, 5))
    assert roles([call], [call], held=False) == {1: "duplicate"}
    remembered = memory()
    batches = [normalise(call), normalise(call)]
    for batch in batches:
        remembered.remember(batch, 0.0)
    assert [_roles(remembered, batch)[1] for batch in batches] == ["own", "duplicate"]


def test_a_batch_that_failed_is_attributed_again() -> None:
    remembered = memory()
    batch = normalise(made(1, 0, "chat", usage(10, 5)))
    remembered.remember(batch, 0.0)
    assert _roles(remembered, batch) == {1: "own"}
    remembered.forgive(batch)
    assert _roles(remembered, batch) == {1: "own"}


def test_an_agent_that_was_counted_stays_counted_when_its_calls_come_late() -> None:
    agent, call = made(1, 0, "invoke_agent", usage(10, 5)), made(2, 1, "chat", usage(10, 5))
    assert roles([agent], [call], held=False) == {1: "own", 2: "duplicate"}


def test_the_same_ids_in_another_trace_are_other_spans() -> None:
    first, second = made(1, 0, "chat", usage(10, 5)), made(1, 0, "chat", usage(10, 5), trace=2)
    assert roles([first], [second], held=False) == {1: "own"}


def test_the_memory_is_bounded_and_keeps_what_is_new() -> None:
    remembered = memory(max_spans=400)
    for trace in range(1, 3000):
        batch = normalise(
            made(1, 0, "chat", usage(10, 5), trace=trace),
            made(2, 1, "chat", usage(10, 5), trace=trace),
        )
        remembered.remember(batch, 0.0)
        assert _roles(remembered, batch) == {1: "duplicate", 2: "own"}
    assert len(remembered) <= 402


def test_the_memory_forgets_with_time() -> None:
    remembered = TraceMemory(max_spans=1000, max_age_s=10)
    for now_s in range(0, 100, 5):
        batch = normalise(made(1, 0, "chat", usage(10, 5), trace=now_s + 1))
        remembered.remember(batch, float(now_s))
    assert len(remembered) <= 4


def sources(remembered: TraceMemory, batch: SpanBatch) -> list[tuple[str | None, str | None]]:
    """Return role and usage source of each span."""
    attributed = remembered.attribute(batch)
    remembered.note_estimates(ESTIMATE(attributed))
    columns = (attributed[name].to_pylist() for name in ("UsageRole", "UsageSource"))
    return list(zip(*columns, strict=True))


SAID = {"gen_ai.input.messages": "What is the answer?"}
# Without an encoding, by the rule of characters.
ESTIMATE = Estimator(Tokenizers({}), span_max_chars=1000, batch_max_chars=10_000)


def test_calls_below_an_agent_that_reports_their_usage_are_counted_and_not_estimated() -> None:
    batch = normalise(
        made(1, 0, "invoke_agent", usage(150, 42)),
        made(2, 1, "chat", SAID),
        made(3, 1, "execute_tool", None),
        made(4, 3, "chat", SAID),
    )
    remembered = memory()
    remembered.remember(batch, 0.0)
    attributed = remembered.attribute(batch)
    assert attributed["UsageRole"].to_pylist() == ["own", "own", None, "own"]
    assert attributed["UsageSource"].to_pylist() == ["reported", "above", None, "above"]
    done = PRICE(ESTIMATE(attributed))
    assert done["UsageSource"].to_pylist() == ["reported", "above", None, "above"]
    assert done["TokensInput"].to_pylist() == [150, None, None, None]
    assert done["UnpricedReason"].to_pylist() == [None] * 4


def test_an_agent_that_comes_after_its_calls_were_estimated_is_not_counted_on_top() -> None:
    call = normalise(made(2, 1, "chat", SAID))
    agent = normalise(made(1, 0, "invoke_agent", usage(150, 42)))
    remembered = memory()
    remembered.remember(call, 0.0)
    assert sources(remembered, call) == [("own", "missing")]
    remembered.remember(agent, 0.0)
    assert sources(remembered, agent) == [("rollup", "reported")]
    assert remembered.reason(int(agent.keys[0])) is Reason.ESTIMATED_BELOW


def test_an_agent_that_comes_after_calls_that_nobody_could_estimate_is_counted() -> None:
    call = normalise(made(2, 1, "chat", None))
    agent = normalise(made(1, 0, "invoke_agent", usage(150, 42)))
    remembered = memory()
    remembered.remember(call, 0.0)
    assert sources(remembered, call) == [("own", "missing")]
    remembered.remember(agent, 0.0)
    assert sources(remembered, agent) == [("own", "reported")]


# Properties -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """One span of a generated trace."""

    number: int
    parent: int
    operation: str | None
    tokens: tuple[int, int] | None
    response_id: str | None
    server: bool
    start: int

    def span(self) -> Span:
        counts = usage(*self.tokens) if self.tokens else {}
        if self.response_id:
            counts["gen_ai.response.id"] = self.response_id
        kind = SERVER if self.server else Span.SPAN_KIND_CLIENT
        start_ns = NOON_NS - self.start * NS
        return made(self.number, self.parent, self.operation, counts, kind=kind, start_ns=start_ns)


@st.composite
def traces(draw: st.DrawFn) -> list[Node]:
    """Return a trace: any tree, few distinct numbers, so that coincidences happen."""
    size = draw(st.integers(1, 9))
    return [
        Node(
            number=number,
            parent=draw(st.integers(0, number - 1)),
            operation=draw(
                st.sampled_from(
                    ["chat", "chat", "invoke_agent", "execute_tool", "embeddings", None]
                )
            ),
            tokens=draw(st.sampled_from([None, (10, 5), (20, 10), (30, 15)])),
            response_id=draw(st.sampled_from([None, None, None, "r1", "r2"])),
            server=draw(st.integers(0, 5)) == 0,
            start=draw(st.integers(0, 3)),
        )
        for number in range(1, size + 1)
    ]


def counted(batches: Iterable[SpanBatch], remembered: TraceMemory) -> tuple[dict[Any, float], int]:
    """Return every counter after these batches, and the nano-dollars of the rows that count."""
    observe = Observer(label_values_max=100, series_max=100)
    nano = 0
    for batch in batches:
        priced = PRICE(remembered.attribute(batch))
        observe(priced)
        for role, cost in zip(
            priced["UsageRole"].to_pylist(), priced["CostUsd"].to_pylist(), strict=True
        ):
            nano += int((cost or Decimal(0)).scaleb(9)) if role == "own" else 0
    registry = CollectorRegistry()
    registry.register(WorkloadCollector(observe))
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    return samples, nano


@given(nodes=traces(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_order_and_any_split_counts_what_the_whole_trace_counts(
    nodes: list[Node], data: st.DataObject
) -> None:
    together = normalise(*(node.span() for node in nodes))
    at_once = memory()
    at_once.remember(together, 0.0)
    expected, expected_nano = counted([together], at_once)

    order = data.draw(st.permutations(nodes))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    remembered = memory()
    batches = [normalise(*(node.span() for node in part)) for part in parts]
    for batch in batches:
        remembered.remember(batch, 0.0)
    found, nano = counted(batches, remembered)
    assert found == pytest.approx(expected)
    assert nano == expected_nano
    cost = sum(v for (name, _), v in found.items() if name == "llm_cost_usd_total")
    assert round(cost * 1e9) == nano


@given(nodes=traces(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_what_arrives_too_late_never_takes_back_what_was_counted(
    nodes: list[Node], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(nodes))
    remembered = memory()
    first: dict[int, str | None] = {}
    for node in order:
        batch = normalise(node.span())
        remembered.remember(batch, 0.0)
        first |= _roles(remembered, batch)
        remembered.forgive(batch)
    batches = [normalise(node.span()) for node in order]
    again: dict[int, str | None] = {}
    for batch in batches:
        again |= _roles(remembered, batch)
    assert again == first


@given(nodes=traces())
@settings(max_examples=150, deadline=None)
def test_what_is_decided_for_many_traces_at_once_is_what_the_rules_say(nodes: list[Node]) -> None:
    """Traces whose calls have nothing to do with each other take a shorter way to the same end."""
    batch = normalise(*(node.span() for node in nodes))

    def decided() -> list[Any]:
        remembered = memory()
        remembered.remember(batch, 0.0)
        attributed = remembered.attribute(batch)
        return [
            [remembered.reason(key) for key in batch.keys.tolist()],
            *(attributed[name].to_pylist() for name in ("UsageRole", "UsageSource")),
        ]

    short = decided()
    with pytest.MonkeyPatch.context() as patch:
        entangled = property(lambda scene: np.ones(len(scene.ids), np.bool_))
        patch.setattr(Scene, "is_call_below_call", entangled)
        assert decided() == short


@given(depth=st.integers(1, 6), data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_line_of_equal_calls_is_one_call_even_without_any_hold(
    depth: int, data: st.DataObject
) -> None:
    line = [made(n, n - 1, "chat", usage(10, 5)) for n in range(1, depth + 1)]
    order = data.draw(st.permutations(line))
    found = roles(*([call] for call in order), held=False)
    # A span between two that has not come yet leaves them unrelated for good.
    assert list(found.values()).count("own") >= 1
    in_order = roles(*([call] for call in line), held=False)
    assert list(in_order.values()).count("own") == 1
