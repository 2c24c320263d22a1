"""What a span is called in a flame graph."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.genai.fields import CLASS_OF_OPERATION
from exporter.query.flame.frames import (
    FACT_COLUMNS,
    FRAME_CHARS_MAX,
    FrameFacts,
    frame_text,
    frame_texts,
)
from exporter.spans.schema import SPAN_COLUMNS


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            {"span_class": "call", "model": "gpt-4o", "operation": "chat"}, "llm.gpt-4o", id="call"
        ),
        pytest.param(
            {"span_class": "call", "model": "meta-llama/Llama-3.1-8B"},
            "llm.Llama-3.1-8B (meta-llama)",
            id="the vendor comes behind the model",
        ),
        pytest.param(
            {"span_class": "call", "model": "accounts/fireworks/models/qwen3"},
            "llm.qwen3 (accounts/fireworks/models)",
            id="long path of a model",
        ),
        pytest.param({"span_class": "call", "model": "/"}, "llm./", id="model of nothing"),
        pytest.param(
            {"span_class": "call", "operation": "chat", "span_name": "chat"},
            "llm.chat",
            id="call without a model",
        ),
        pytest.param(
            {"span_class": "agent", "agent": "planner", "span_name": "invoke_agent planner"},
            "agent.planner",
            id="agent",
        ),
        pytest.param(
            {"span_class": "agent", "span_name": "invoke_agent planner"},
            "agent.planner",
            id="agent known by its span's name",
        ),
        pytest.param(
            {"span_class": "agent", "agent": "planner", "operation": "create_agent"},
            "agent.create planner",
            id="agent being made",
        ),
        pytest.param({"span_class": "tool", "tool": "search"}, "tool.search", id="tool"),
        pytest.param(
            {"span_class": "tool", "span_name": "execute_tool web search"},
            "tool.web search",
            id="tool known by its span's name",
        ),
        pytest.param(
            {"span_class": "retriever", "span_name": "VectorStore.query"},
            "retrieval.VectorStore.query",
            id="retriever",
        ),
        pytest.param(
            {"span_class": "workflow", "span_name": "triage.workflow"},
            "workflow.triage.workflow",
            id="workflow",
        ),
        pytest.param(
            {"span_name": "POST /chat", "span_kind": "Server"},
            "http.POST /chat",
            id="HTTP by its name",
        ),
        pytest.param(
            {"span_name": "POST", "span_kind": "Server", "endpoint": "/chat"},
            "http.POST /chat",
            id="HTTP with the route elsewhere",
        ),
        pytest.param(
            {"span_name": "POST", "span_kind": "Server", "endpoint": "POST /chat"},
            "http.POST /chat",
            id="HTTP with method and route elsewhere",
        ),
        pytest.param(
            {"span_name": "POST /chat", "span_kind": "Internal"},
            "span.POST /chat",
            id="only a name like HTTP's",
        ),
        pytest.param(
            {"span_name": "SELECT shop.orders", "span_kind": "Client"},
            "data.SELECT shop.orders",
            id="SQL by its name",
        ),
        pytest.param(
            {"span_name": "hgetall", "span_kind": "Client", "protocol": "db"},
            "data.hgetall",
            id="database by its attributes",
        ),
        pytest.param(
            {"span_name": "orders publish", "protocol": "messaging"},
            "messaging.orders publish",
            id="messaging",
        ),
        pytest.param(
            {"span_name": "shop.Cart/Add", "protocol": "rpc"}, "rpc.shop.Cart/Add", id="RPC"
        ),
        pytest.param({"span_name": "x", "protocol": "what"}, "span.x", id="unheard-of protocol"),
        pytest.param({"span_name": " two\nlines\t"}, "span.two lines", id="white space"),
        pytest.param({}, "span.(no name)", id="nothing known"),
    ],
)
def test_frames(facts, expected):
    assert frame_text(FrameFacts(**facts)) == expected


def test_facts_are_columns():
    assert set(FACT_COLUMNS) | {"protocol"} == {field.name for field in fields(FrameFacts)}
    assert set(FACT_COLUMNS.values()) <= {column.name for column in SPAN_COLUMNS}


@given(
    st.builds(
        FrameFacts,
        span_class=st.sampled_from(["", *CLASS_OF_OPERATION.values()]),
        model=st.text(),
        agent=st.text(),
        tool=st.text(),
        span_name=st.text(),
        span_kind=st.sampled_from(["Server", "Client", ""]),
        endpoint=st.text(),
        protocol=st.sampled_from(["", "http", "db"]),
    )
)
def test_a_frame_always_has_a_kind_and_a_name_on_one_short_line(facts):
    text = frame_text(facts)
    kind, dot, what = text.partition(".")
    assert dot
    assert kind.isalpha()
    assert what.strip()
    assert len(text.splitlines()) == 1
    assert len(text) <= FRAME_CHARS_MAX
    assert frame_texts([facts, facts]) == (text, text)
