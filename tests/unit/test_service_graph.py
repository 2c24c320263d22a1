"""Edges of the service graph: counted against whole traces, however their spans arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry

from exporter.genai.attribution.memory import TraceMemory
from exporter.metrics.cardinality import OVERFLOW
from exporter.metrics.exposition import WorkloadCollector
from exporter.metrics.observe import Observer
from exporter.metrics.places import CONNECTION_TYPES, Edges
from exporter.metrics.service_graph import ServiceGraph
from exporter.spans.batch import SpanBatch
from tests.support.otlp import ERROR, OK, request, span
from tests.unit.pipeline import NORMALISE, PRICE, decode

FOREVER = 1e9
SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = (
    Span.SPAN_KIND_SERVER,
    Span.SPAN_KIND_CLIENT,
    Span.SPAN_KIND_PRODUCER,
    Span.SPAN_KIND_CONSUMER,
    Span.SPAN_KIND_INTERNAL,
)
WHAT: dict[str, dict[str, Any]] = {
    "plain": {},
    "call": {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"},
    "agent": {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
    "other agent": {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "writer"},
    "tool": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
    "retriever": {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "docs"},
    "store": {"db.system.name": "postgresql", "db.namespace": "orders"},
    "old store": {"db.system": "pinecone"},
    "peer": {"peer.service": "payments"},
}
NODES = {
    "agent": "agent.planner",
    "other agent": "agent.writer",
    "tool": "tool.search",
    "retriever": "retriever.docs",
}
STORES = {"store": "postgresql/orders", "old store": "pinecone"}


@dataclass(frozen=True)
class Node:
    """A span of a made-up trace."""

    number: int
    parent: int = 0
    service: str = "shop"
    kind: int = INTERNAL
    what: str = "plain"
    failed: bool = False
    ms: int = 1000

    @property
    def is_server(self) -> bool:
        return self.kind in {SERVER, CONSUMER}


def as_request(node: Node) -> bytes:
    one = span(
        WHAT[node.what],
        number=node.number,
        parent=node.parent,
        kind=node.kind,
        duration_ns=node.ms * 1_000_000,
        status=ERROR if node.failed else OK,
    )
    return request(one, resource={"service.name": node.service})


def batch_of(nodes: Iterable[Node]) -> SpanBatch:
    return NORMALISE(decode(*map(as_request, nodes)))


def graph(**limits: Any) -> ServiceGraph:
    defaults = {"nodes_max": 100, "max_spans": 10_000, "wait_s": 10, "max_age_s": 120}
    return ServiceGraph(**(defaults | limits))


Edge = tuple[str, str, str, bool, int, int]


def readable(made: ServiceGraph, edges: Edges) -> list[Edge]:
    return [
        (
            made.names[edge["client"]],
            made.names[edge["server"]],
            CONNECTION_TYPES[edge["type"]],
            bool(edge["failed"]),
            int(edge["client_ns"]) // 1_000_000,
            int(edge["server_ns"]) // 1_000_000,
        )
        for edge in edges
    ]


def drawn(batches: Sequence[Sequence[Node]], **limits: Any) -> Counter[Edge]:
    """Return the edges of batches that come one after another, and of the end of all waiting."""
    made, memory = graph(**limits), TraceMemory(max_spans=10_000, max_age_s=FOREVER)
    normalised = [batch_of(nodes) for nodes in batches if nodes]
    for batch in normalised:
        memory.remember(batch, 0.0)
    found: Counter[Edge] = Counter()
    for second, batch in enumerate(normalised):
        now = second / len(normalised)
        found.update(readable(made, made(memory.attribute(batch), now)))
    for end in (FOREVER, 2 * FOREVER, 3 * FOREVER):
        found.update(readable(made, made.expire(end)))
    assert len(made) == 0
    return found


def owners(nodes: Sequence[Node]) -> set[int]:
    """Return the numbers of the spans whose call is counted."""
    memory = TraceMemory(max_spans=10_000, max_age_s=FOREVER)
    batch = batch_of(nodes)
    memory.remember(batch, 0.0)
    roles = memory.attribute(batch)["UsageRole"].to_pylist()
    return {node.number for node, role in zip(nodes, roles, strict=True) if role == "own"}


def by_hand(nodes: Sequence[Node]) -> Counter[Edge]:  # noqa: C901  # every rule, once more
    """Return the edges of whole traces, by looking at everything."""
    if not nodes:
        return Counter()
    spans = {node.number: node for node in nodes}
    own = owners(nodes)

    def peer(node: Node) -> tuple[str, str] | None:
        if node.number in own:
            return "openai", "virtual_node"
        if not node.is_server and node.what in STORES:
            return STORES[node.what], "database"
        if node.what == "peer" and node.kind in {CLIENT, PRODUCER}:
            return "payments", "virtual_node"
        return None

    def is_client(node: Node) -> bool:
        return node.kind in {CLIENT, PRODUCER} or peer(node) is not None

    def client_of(node: Node) -> Node | None:
        above = spans.get(node.parent)
        return above if node.is_server and above and is_client(above) else None

    answered = {above.number for node in nodes if (above := client_of(node))}
    carried = {spans[n].parent for n in answered if n not in own}

    def runner(node: Node) -> str:
        above = spans.get(node.parent)
        for _ in range(128):
            if above is None or above.what in NODES:
                break
            if above.is_server:
                return node.service
            above = spans.get(above.parent)
        return NODES.get(above.what, node.service) if above else node.service

    edges: Counter[Edge] = Counter()
    for node in nodes:
        same = (node.failed, node.ms, node.ms)
        if node.kind == SERVER and not node.parent:
            edges["user", node.service, "virtual_node", *same] += 1
        if above := client_of(node):
            queued = above.kind == PRODUCER or node.kind == CONSUMER
            kind = "messaging_system" if queued else ""
            failed = above.failed or node.failed
            edges[above.service, node.service, kind, failed, above.ms, node.ms] += 1
        if node.what in NODES and (client := runner(node)) != NODES[node.what]:
            kind = "database" if node.what == "retriever" else "virtual_node"
            edges[client, NODES[node.what], kind, *same] += 1
        outer = spans.get(node.parent)
        inner = node.number not in own and outer is not None and peer(outer) is not None
        if (to := peer(node)) and not inner and node.number not in answered | carried:
            edges[node.service, *to, *same] += 1
    return edges


@st.composite
def traces(draw: st.DrawFn) -> list[Node]:
    size = draw(st.integers(1, 12))
    return [
        Node(
            number,
            # Any other span, one that never comes, itself, or none.
            parent=draw(st.sampled_from([0, *range(1, size + 2)])),
            service=draw(st.sampled_from(["shop", "search", "gateway"])),
            kind=draw(st.sampled_from([SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL])),
            what=draw(st.sampled_from(list(WHAT))),
            failed=draw(st.booleans()),
            ms=draw(st.integers(1, 5)),
        )
        for number in range(1, size + 1)
    ]


@settings(deadline=None)
@given(nodes=traces(), data=st.data())
def test_every_split_and_order_draws_the_edges_of_the_whole_once(nodes: list[Node], data: Any):
    again = data.draw(st.lists(st.sampled_from(nodes), max_size=3))
    order = data.draw(st.permutations([*nodes, *again]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    batches = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    assert drawn(batches) == by_hand(nodes)


@settings(deadline=None)
@given(nodes=traces(), max_spans=st.integers(1, 6), data=st.data())
def test_a_memory_that_is_too_small_stays_small_and_loses_no_run_and_no_call(
    nodes: list[Node], max_spans: int, data: Any
):
    order = data.draw(st.permutations(nodes))
    made, found = graph(max_spans=max_spans), Counter[Edge]()
    for second, node in enumerate(order):
        found.update(readable(made, made(PRICE(batch_of([node])), float(second))))
        assert len(made) <= max(2, max_spans)
    for end in (FOREVER, 2 * FOREVER, 3 * FOREVER):
        found.update(readable(made, made.expire(end)))
    entries = sum(node.kind == SERVER and not node.parent for node in nodes)
    assert sum(n for edge, n in found.items() if edge[0] == "user") == entries
    to = Counter[str]()
    for edge, count in found.items():
        to[edge[1]] += count
    for what, name in NODES.items():
        of_kind = [node for node in nodes if node.what == what]
        # Only a run directly below a run of the same name is left out.
        assert sum(not node.parent for node in of_kind) <= to[name] <= len(of_kind)
    if not any(node.is_server for node in nodes):
        assert to["openai"] == sum(node.what == "call" for node in nodes)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(
            [Node(1, kind=CLIENT), Node(2, 1, "search", SERVER, failed=True, ms=900)],
            {("shop", "search", "", True, 1000, 900): 1},
            id="a request",
        ),
        pytest.param(
            [Node(1, kind=PRODUCER), Node(2, 1, "a", CONSUMER), Node(3, 1, "b", CONSUMER)],
            {
                ("shop", "a", "messaging_system", False, 1000, 1000): 1,
                ("shop", "b", "messaging_system", False, 1000, 1000): 1,
            },
            id="a message that two read",
        ),
        pytest.param(
            [Node(1, what="call", kind=CLIENT)],
            {("shop", "openai", "virtual_node", False, 1000, 1000): 1},
            id="a call",
        ),
        pytest.param(
            [
                Node(1, what="call", kind=CLIENT),
                Node(2, 1, kind=CLIENT, ms=990),
                Node(3, 2, "gateway", SERVER, ms=980),
            ],
            {("shop", "gateway", "", False, 990, 980): 1},
            id="a call over HTTP that a service of ours answers goes to it, not to the provider",
        ),
        pytest.param(
            [
                Node(1, kind=SERVER),
                Node(2, 1, what="agent"),
                Node(3, 2),
                Node(4, 3, what="other agent"),
                Node(5, 4, what="tool"),
                Node(6, 2, what="retriever"),
                Node(7, 6, what="old store", kind=CLIENT),
            ],
            {
                ("user", "shop", "virtual_node", False, 1000, 1000): 1,
                ("shop", "agent.planner", "virtual_node", False, 1000, 1000): 1,
                ("agent.planner", "agent.writer", "virtual_node", False, 1000, 1000): 1,
                ("agent.writer", "tool.search", "virtual_node", False, 1000, 1000): 1,
                ("agent.planner", "retriever.docs", "database", False, 1000, 1000): 1,
                ("shop", "pinecone", "database", False, 1000, 1000): 1,
            },
            id="agents, tools and stores",
        ),
        pytest.param(
            [Node(1, what="agent"), Node(2, 1, what="agent")],
            {("shop", "agent.planner", "virtual_node", False, 1000, 1000): 1},
            id="one run that two instrumentations report",
        ),
    ],
)
def test_a_trace_by_hand(nodes: list[Node], expected: dict[Edge, int]):
    assert drawn([nodes]) == Counter(expected) == by_hand(nodes)
    assert drawn([[node] for node in reversed(nodes)]) == Counter(expected)


def test_a_call_waits_for_its_server_as_long_as_the_setting_says():
    made = graph(wait_s=10)
    batch = PRICE(batch_of([Node(1, what="call", kind=CLIENT)]))
    assert not len(made(batch, 100.0))
    assert not len(made.expire(109.9))
    assert [edge[1] for edge in readable(made, made.expire(110.0))] == ["openai"]
    assert not len(made.expire(111.0))


def test_an_agent_that_ends_long_after_its_tool_still_runs_it():
    made = graph(wait_s=10, max_age_s=120)
    assert not len(made(PRICE(batch_of([Node(2, 1, what="tool")])), 0.0))
    late = readable(made, made(PRICE(batch_of([Node(1, what="agent")])), 59.0))
    assert Counter((client, server) for client, server, *_ in late) == {
        ("agent.planner", "tool.search"): 1,
        ("shop", "agent.planner"): 1,
    }


def test_a_chain_deeper_than_any_limit_ends_at_the_service():
    chain = [Node(n, n - 1) for n in range(2, 2000)]
    edges = drawn([[Node(1, what="agent"), *chain, Node(2000, 1999, what="tool")]])
    assert edges["shop", "tool.search", "virtual_node", False, 1000, 1000] == 1


def test_too_many_nodes_are_drawn_as_one_and_none_is_lost():
    services = [Node(n, kind=SERVER, service=f"s{n}") for n in range(1, 21)]
    edges = drawn([services], nodes_max=5)
    assert sum(edges.values()) == 20
    assert sum(n for edge, n in edges.items() if edge[1] == OVERFLOW) == 15


def values(observe: Observer, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    registry = CollectorRegistry()
    registry.register(WorkloadCollector(observe))
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_a_scrape_shows_what_nobody_answered_although_no_span_comes_any_more():
    now = [0.0]
    observe = Observer(label_values_max=100, series_max=100, graph=graph(), clock=lambda: now[0])
    observe(PRICE(batch_of([Node(1, what="call", kind=CLIENT, failed=True, ms=300)])))
    assert not values(observe, "traces_service_graph_request_total")
    now[0] = 10.0
    edge = (("client", "shop"), ("connection_type", "virtual_node"), ("server", "openai"))
    assert values(observe, "traces_service_graph_request_total") == {edge: 1}
    assert values(observe, "traces_service_graph_request_failed_total") == {edge: 1}
    for side in ("server", "client"):
        name = f"traces_service_graph_request_{side}_seconds"
        assert values(observe, f"{name}_sum") == {edge: pytest.approx(0.3)}
        buckets = values(observe, f"{name}_bucket")
        assert {float(dict(labels)["le"]) for labels, n in buckets.items() if n} == {
            *(0.1 * 2**step for step in range(2, 11)),
            float("inf"),
        }


def test_what_enters_a_service_is_counted_by_name_and_status():
    observe = Observer(label_values_max=100, series_max=100, graph=graph())
    nodes = [
        Node(1, kind=SERVER),
        Node(2, 1, kind=CLIENT),
        Node(3, 2, "search", SERVER, failed=True),
        Node(4, 99, "mail", CONSUMER),
        Node(5, what="agent"),
    ]
    observe(PRICE(batch_of(nodes)))
    found = values(observe, "traces_spanmetrics_calls_total")
    assert {
        (labels["service"], labels["span_kind"], labels["status_code"]): n
        for labels, n in ((dict(labels), n) for labels, n in found.items())
    } == {
        ("shop", "SPAN_KIND_SERVER", "STATUS_CODE_OK"): 1,
        ("search", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR"): 1,
        ("mail", "SPAN_KIND_CONSUMER", "STATUS_CODE_OK"): 1,
        ("shop", "SPAN_KIND_INTERNAL", "STATUS_CODE_OK"): 1,
    }
    assert sum(values(observe, "traces_spanmetrics_latency_count").values()) == 4


def test_edges_keep_the_trace_that_they_are_an_example_of():
    made = graph()
    edges = made(PRICE(batch_of([Node(1, kind=SERVER)])), 0.0)
    assert np.array_equal(edges["trace_id"], [b"0" * 31 + b"1"])
    assert np.array_equal(edges["span_id"], [b"0" * 15 + b"1"])
