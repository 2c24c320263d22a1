"""Every convention in the wild ends in the same columns."""

import json
from importlib import resources
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.errors import ConfigurationError
from exporter.genai import convention
from exporter.genai.convention import Conventions, parse
from exporter.genai.fields import CLASS_OF_OPERATION
from exporter.genai.normalise import Normaliser
from exporter.genai.transforms import first_item, provider, providers
from exporter.spans.schema import TOKEN_KINDS
from tests.support.otlp import ERROR, NOON_NS, NS, OK, event, request, span
from tests.unit.pipeline import NORMALISE, chat, decode, known, normalise, row

MS = NS // 1000
FILES = sorted(
    (f for f in (resources.files("exporter.genai") / "conventions").iterdir()),
    key=lambda f: f.name,
)
TOKEN_COLUMNS = [kind.column for kind in TOKEN_KINDS]


def columns_of(sent: Span, **of_request: Any) -> dict[str, Any]:
    return row(normalise(sent, **of_request))


def tokens(**kinds: int) -> dict[str, int]:
    """Return the token columns by kind; a kind that is left out must not be known."""
    return {kind.column: kinds.get(kind.name) for kind in TOKEN_KINDS}  # type: ignore[misc]


# One span for each convention -----------------------------------------------------------------

OTEL_2026 = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.model": "claude-sonnet-4-5-20250929",
    "gen_ai.response.id": "msg_1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.usage.input_tokens": 1250,
    "gen_ai.usage.output_tokens": 300,
    "gen_ai.usage.cache_read.input_tokens": 1000,
    "gen_ai.usage.cache_write.input_tokens": 200,
    "gen_ai.usage.reasoning.output_tokens": 100,
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.agent.name": "planner",
    "gen_ai.prompt.version": "7",
}
OTEL_V1_37 = {
    "gen_ai.operation.name": "text_completion",
    "gen_ai.provider.name": "aws.bedrock",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 40,
    "gen_ai.usage.cache_read.input_tokens": 30,
    "gen_ai.usage.cache_creation.input_tokens": 10,
}
OTEL_V1_36 = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "az.ai.openai",
    "gen_ai.request.model": "m",
    "gen_ai.usage.prompt_tokens": 20,
    "gen_ai.usage.completion_tokens": 5,
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "azure",
    "llm.system": "openai",
    "llm.model_name": "gpt-4o-2024-08-06",
    "llm.token_count.prompt": 100,
    "llm.token_count.completion": 30,
    "llm.token_count.total": 130,
    "llm.token_count.prompt_details.cache_read": 60,
    "llm.token_count.completion_details.reasoning": 10,
    "llm.cost.total": 0.0025,
    "llm.prompt_template.version": "v2",
    "session.id": "chat-9",
    "user.id": "u-9",
}
OPENLLMETRY_OLD = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-3.5-turbo",
    "gen_ai.response.model": "gpt-3.5-turbo-0125",
    "gen_ai.usage.prompt_tokens": 14,
    "gen_ai.usage.completion_tokens": 173,
    "llm.usage.total_tokens": 187,
    "gen_ai.completion.0.finish_reason": "stop",
    "traceloop.association.properties.user_id": "u-1",
    "traceloop.workflow.name": "jokes",
}
OPENLLMETRY_NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.is_streaming": True,
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.usage.cache_read.input_tokens": 20,
    "gen_ai.usage.cache_creation_input_tokens": 5,
}
VERCEL_V4 = {
    "ai.operationId": "ai.streamText.doStream",
    "ai.model.provider": "openai.chat",
    "ai.model.id": "gpt-4o-mini",
    "ai.response.model": "gpt-4o-mini-2024-07-18",
    "ai.response.id": "chatcmpl-1",
    "ai.response.finishReason": "stop",
    "ai.response.msToFirstChunk": 250.5,
    "ai.usage.promptTokens": 14,
    "ai.usage.completionTokens": 21,
    "ai.telemetry.functionId": "greet",
    "ai.telemetry.metadata.userId": "u-4",
    "ai.telemetry.metadata.sessionId": "s-4",
    "gen_ai.system": "openai",
    "gen_ai.usage.input_tokens": 14,
    "gen_ai.usage.output_tokens": 21,
}
VERCEL_V5 = {
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.model.provider": "anthropic.messages",
    "ai.model.id": "claude-sonnet-4-5",
    "ai.usage.inputTokens": 100,
    "ai.usage.outputTokens": 40,
    "ai.usage.totalTokens": 140,
    "ai.usage.cachedInputTokens": 30,
    "ai.usage.reasoningTokens": 15,
}
VERCEL_V6 = {
    "ai.operationId": "ai.generateObject.doGenerate",
    "ai.model.provider": "google.generative-ai",
    "ai.model.id": "gemini-2.5-pro",
    "ai.usage.inputTokens": 100,
    "ai.usage.inputTokenDetails.cacheReadTokens": 30,
    "ai.usage.inputTokenDetails.cacheWriteTokens": 20,
    "ai.usage.cachedInputTokens": 30,
    "ai.usage.outputTokens": 40,
    "ai.usage.outputTokenDetails.reasoningTokens": 15,
    "ai.usage.reasoningTokens": 15,
}
OBSERVATORY = {
    "llm.model_name": "gpt-4o-mini",
    "llm.provider": "openai",
    "llm.usage.input_tokens": 10,
    "llm.usage.output_tokens": 4,
    "llm.usage.total_tokens": 14,
    "llm.cost_usd": 0.00042,
    "llm.time_to_first_token_s": 0.5,
}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(
            span(OTEL_2026),
            tokens(input=50, cache_read=1000, cache_write=200, output=200, reasoning=100)
            | {
                "Convention": "otel-genai",
                "Operation": "chat",
                "Provider": "anthropic",
                "RequestModel": "claude-sonnet-4-5",
                "ResponseModel": "claude-sonnet-4-5-20250929",
                "ResponseId": "msg_1",
                "FinishReason": "stop",
                "TimeToFirstToken": 250 * MS,
                "SessionId": "conv-1",
                "Agent": "planner",
                "PromptVersion": "7",
            },
            id="otel-genai of 2026",
        ),
        pytest.param(
            span(OTEL_V1_37),
            tokens(input=80, cache_read=30, cache_write=10, output=40)
            | {
                "Convention": "otel-genai",
                "Operation": "text_completion",
                "Provider": "aws.bedrock",
                "ResponseModel": None,
            },
            id="otel-genai v1.37 to v1.41",
        ),
        pytest.param(
            span(OTEL_V1_36),
            tokens(input=20, output=5)
            | {"Convention": "otel-genai", "Provider": "azure.ai.openai"},
            id="otel-genai v1.36",
        ),
        pytest.param(
            span(OPENINFERENCE),
            tokens(input=40, cache_read=60, output=20, reasoning=10)
            | {
                "Convention": "openinference",
                "Operation": "chat",
                "Provider": "azure.ai.openai",
                "ResponseModel": "gpt-4o-2024-08-06",
                "PromptVersion": "v2",
                "SessionId": "chat-9",
                "UserId": "u-9",
            },
            id="openinference",
        ),
        pytest.param(
            span(
                {
                    "openinference.span.kind": "EMBEDDING",
                    "embedding.model_name": "text-embedding-3-small",
                    "llm.token_count.prompt": 8,
                }
            ),
            tokens(input=8) | {"Operation": "embeddings", "RequestModel": "text-embedding-3-small"},
            id="openinference embeddings",
        ),
        pytest.param(
            span(OPENLLMETRY_OLD),
            tokens(input=14, output=173)
            | {
                "Convention": "openllmetry",
                "Operation": "chat",
                "Provider": "openai",
                "RequestModel": "gpt-3.5-turbo",
                "ResponseModel": "gpt-3.5-turbo-0125",
                "FinishReason": "stop",
                "UserId": "u-1",
                "Feature": "jokes",
            },
            id="openllmetry, old names",
        ),
        pytest.param(
            span(OPENLLMETRY_NEW),
            tokens(input=75, cache_read=20, cache_write=5, output=10)
            | {"Convention": "openllmetry", "Operation": "chat", "Provider": "anthropic"},
            id="openllmetry, new names",
        ),
        pytest.param(
            span(VERCEL_V4),
            tokens(input=14, output=21)
            | {
                "Convention": "vercel-ai-sdk",
                "Operation": "chat",
                "Provider": "openai",
                "RequestModel": "gpt-4o-mini",
                "ResponseModel": "gpt-4o-mini-2024-07-18",
                "ResponseId": "chatcmpl-1",
                "FinishReason": "stop",
                "TimeToFirstToken": 250_500_000,
                "Feature": "greet",
                "UserId": "u-4",
                "SessionId": "s-4",
            },
            id="vercel v4",
        ),
        pytest.param(
            span(VERCEL_V5),
            tokens(input=70, cache_read=30, output=25, reasoning=15)
            | {"Convention": "vercel-ai-sdk", "Provider": "anthropic"},
            id="vercel v5",
        ),
        pytest.param(
            span(VERCEL_V6),
            tokens(input=50, cache_read=30, cache_write=20, output=25, reasoning=15)
            | {"Convention": "vercel-ai-sdk", "Provider": "gcp.gemini"},
            id="vercel v6",
        ),
        pytest.param(
            span({"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 8}),
            tokens(input=8) | {"Operation": "embeddings"},
            id="vercel embeddings",
        ),
        pytest.param(
            span(OBSERVATORY, name="llm.request"),
            tokens(input=10, output=4)
            | {
                "Convention": "observatory",
                "Operation": "chat",
                "Provider": "openai",
                "RequestModel": "gpt-4o-mini",
                "TimeToFirstToken": 500 * MS,
            },
            id="observatory",
        ),
        pytest.param(
            span({"llm.model_name": "m", "llm.usage.input_tokens": 3}, name="anything"),
            tokens(input=3) | {"Convention": "observatory", "Operation": "chat"},
            id="observatory by its attributes alone",
        ),
    ],
)
def test_a_call_of_each_convention(sent: Span, expected: dict[str, Any]) -> None:
    got = columns_of(sent)
    assert {name: got[name] for name in expected} == expected
    assert (got["SpanClass"], got["UsageSource"], got["UsageRole"], got["Status"]) == (
        "call",
        "reported",
        "own",
        "ok",
    )


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        pytest.param({"gen_ai.usage.cost": 0.000151}, "0.000151000", id="a double"),
        pytest.param({"gen_ai.usage.cost": "0.000151"}, "0.000151000", id="text"),
        pytest.param({"gen_ai.usage.cost": 2}, "2.000000000", id="an integer"),
        pytest.param({"gen_ai.usage.cost": 0.0}, "0E-9", id="zero is a cost"),
        pytest.param({"gen_ai.usage.cost": -1.0}, None, id="not below zero"),
        pytest.param({"gen_ai.usage.cost": "free"}, None, id="no number"),
        pytest.param({"gen_ai.usage.cost": float("inf")}, None, id="infinite"),
        pytest.param({"gen_ai.usage.cost": 1e9}, None, id="more than the column holds"),
        pytest.param(OPENINFERENCE, "0.002500000", id="openinference"),
        pytest.param(OBSERVATORY, "0.000420000", id="observatory"),
    ],
)
def test_the_cost_that_a_sender_reports(attributes: dict[str, Any], cost: str | None) -> None:
    got = columns_of(chat(attributes))["ReportedCostUsd"]
    assert (None if got is None else str(got)) == cost


# Classes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "span_class"),
    [
        pytest.param(span({"http.route": "/chat"}), None, id="no GenAI attribute"),
        pytest.param(span(), None, id="no attribute at all"),
        pytest.param(span({"feature": "f", "error.type": "x"}), None, id="generic only"),
        pytest.param(span({"gen_ai.request.model": "m"}), None, id="no operation"),
        pytest.param(span({"gen_ai.operation.name": "telepathy"}), None, id="unknown operation"),
        pytest.param(span({"gen_ai.operation.name": "invoke_agent"}), "agent", id="agent"),
        pytest.param(span({"gen_ai.operation.name": "execute_tool"}), "tool", id="tool"),
        pytest.param(span({"gen_ai.operation.name": "retrieval"}), "retriever", id="retrieval"),
        pytest.param(span({"gen_ai.operation.name": "fetch_response"}), "lookup", id="fetch"),
        pytest.param(span({"openinference.span.kind": "CHAIN"}), "chain", id="chain"),
        pytest.param(span({"openinference.span.kind": "TOOL"}), "tool", id="openinference tool"),
        pytest.param(span({"openinference.span.kind": "UNKNOWN"}), None, id="openinference other"),
        pytest.param(span({"traceloop.span.kind": "workflow"}), "workflow", id="workflow"),
        pytest.param(span({"ai.operationId": "ai.generateText"}), "wrapper", id="vercel wrapper"),
        pytest.param(span({"ai.operationId": "ai.toolCall"}), "tool", id="vercel tool"),
        pytest.param(span(name="llm.request"), "call", id="observatory by name"),
        pytest.param(span(name="prefill"), None, id="observatory's parts are no calls"),
    ],
)
def test_the_class_of_a_span(sent: Span, span_class: str | None) -> None:
    got = columns_of(sent)
    assert got["SpanClass"] == span_class
    is_call = span_class == "call"
    assert got["UsageRole"] == ("own" if is_call else None)
    assert (got["UsageSource"] is not None) == is_call


def test_a_span_that_is_no_genai_keeps_only_general_columns() -> None:
    got = columns_of(span({"http.route": "/chat", "user.id": "u"}, name="GET"))
    assert got["Convention"] is None
    assert {name: value for name, value in known(got).items() if name in GENAI_TEXT} == {
        "Endpoint": "/chat",
        "UserId": "u",
    }
    assert [got[name] for name in TOKEN_COLUMNS] == [None] * len(TOKEN_COLUMNS)


GENAI_TEXT = {
    *("Operation", "Provider", "RequestModel", "ResponseModel", "ResponseId", "FinishReason"),
    *("UserId", "SessionId", "Feature", "Endpoint", "Tenant", "Agent", "Tool", "PromptVersion"),
    *("SpanClass", "UsageRole", "UsageSource", "ErrorType"),
}


def test_the_wrapper_of_a_vercel_call_is_no_call() -> None:
    usage = {"ai.usage.inputTokens": 321, "ai.usage.outputTokens": 45}
    batch = normalise(
        span({"ai.operationId": "ai.streamText", **usage}),
        span({"ai.operationId": "ai.streamText.doStream", **usage}, number=2, parent=1),
        scope="ai",
    )
    assert batch["SpanClass"].to_pylist() == ["wrapper", "call"]
    assert batch["UsageRole"].to_pylist() == [None, "own"]


@pytest.mark.parametrize("scope", ["opentelemetry.instrumentation.bedrock", "ai", "unheard.of"])
def test_a_scope_marks_its_convention(scope: str) -> None:
    got = columns_of(chat(), scope=scope)["Convention"]
    expected = {"opentelemetry.instrumentation.bedrock": "openllmetry", "ai": "vercel-ai-sdk"}
    assert got == expected.get(scope, "otel-genai")


def test_spans_of_one_batch_do_not_share_conventions() -> None:
    batch = normalise(
        span(VERCEL_V4),
        span(number=2),
        span(OPENINFERENCE, number=3),
        span({"ai.model.id": "not mine", "llm.model_name": "nor mine"}, number=4),
    )
    assert batch["Convention"].to_pylist() == ["vercel-ai-sdk", None, "openinference", None]
    assert batch["RequestModel"].to_pylist() == ["gpt-4o-mini", None, None, None]
    assert batch["ResponseModel"].to_pylist() == [
        *("gpt-4o-mini-2024-07-18", None, "gpt-4o-2024-08-06", None),
    ]


# First match wins -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "column", "expected"),
    [
        pytest.param(
            [("gen_ai.usage.input_tokens", 5), ("gen_ai.usage.prompt_tokens", 7)],
            "TokensInput",
            5,
            id="two generations: the newer, never the sum",
        ),
        pytest.param(
            [("gen_ai.usage.prompt_tokens", 7), ("gen_ai.usage.input_tokens", 5)],
            "TokensInput",
            5,
            id="whatever their order on the span",
        ),
        pytest.param(
            [
                ("gen_ai.usage.input_tokens", 100),
                ("gen_ai.usage.cache_read.input_tokens", 20),
                ("gen_ai.usage.cache_read_input_tokens", 20),
            ],
            "TokensCacheRead",
            20,
            id="both spellings of the cache keys",
        ),
        pytest.param(
            [
                ("gen_ai.usage.input_tokens", 5),
                ("openinference.span.kind", "LLM"),
                ("llm.token_count.prompt", 9),
            ],
            "TokensInput",
            9,
            id="two conventions: the one that comes first",
        ),
        pytest.param(
            [
                ("openinference.span.kind", "LLM"),
                ("gen_ai.usage.input_tokens", 5),
            ],
            "TokensInput",
            5,
            id="the other convention where the first says nothing",
        ),
        pytest.param(
            [("gen_ai.request.model", "a"), ("gen_ai.request.model", "b")],
            "RequestModel",
            "a",
            id="a key twice: the first",
        ),
        pytest.param(
            [("gen_ai.usage.input_tokens", 5), ("gen_ai.usage.input_tokens", 6)],
            "TokensInput",
            5,
            id="a count twice: the first",
        ),
        pytest.param(
            [("gen_ai.provider.name", ""), ("gen_ai.system", "openai")],
            "Provider",
            "openai",
            id="empty text is absent",
        ),
        pytest.param(
            [("gen_ai.provider.name", None), ("gen_ai.system", "openai")],
            "Provider",
            "openai",
            id="an empty value is absent",
        ),
        pytest.param(
            [("gen_ai.usage.input_tokens", "many"), ("gen_ai.usage.prompt_tokens", 7)],
            "TokensInput",
            7,
            id="what is no number is absent",
        ),
    ],
)
def test_first_match_wins(attributes: list[tuple[str, Any]], column: str, expected: Any) -> None:
    sent = span([("gen_ai.operation.name", "chat"), *attributes])
    assert columns_of(sent)[column] == expected


# Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "count"),
    [
        pytest.param(12, 12, id="an integer"),
        pytest.param(12.0, 12, id="a double"),
        pytest.param("12", 12, id="text"),
        pytest.param(" 12 ", 12, id="text with spaces"),
        pytest.param("+12", 12, id="text with a sign"),
        pytest.param("1.2e1", 12, id="text with an exponent"),
        pytest.param(0, 0, id="zero is known"),
        pytest.param(-1, None, id="negative"),
        pytest.param("", None, id="empty"),
        pytest.param("12 tokens", None, id="words"),
        pytest.param("0x1f", None, id="hexadecimal"),
        pytest.param("nan", None, id="nan as text"),
        pytest.param("1e999", None, id="beyond a double"),
        pytest.param(float("nan"), None, id="NaN"),
        pytest.param(True, None, id="a boolean is no number"),
        pytest.param([12], None, id="an array is no number"),
        pytest.param(b"12", None, id="bytes are no number"),
        pytest.param(10**9, 10**9, id="the most"),
        pytest.param(10**9 + 1, None, id="more than the most"),
        pytest.param(2**63 - 1, None, id="the largest integer"),
    ],
)
def test_a_count_of_tokens(value: Any, count: int | None) -> None:
    got = columns_of(chat({"gen_ai.usage.input_tokens": value}))
    assert got["TokensInput"] == count
    assert got["UsageSource"] == ("missing" if count is None else "reported")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(["stop"], "stop", id="array"),
        pytest.param(["length", "stop"], "length", id="the first of several choices"),
        pytest.param("stop", "stop", id="text"),
        pytest.param('["tool_calls"]', "tool_calls", id="JSON text"),
        pytest.param("[not JSON", "[not JSON", id="text that only looks like JSON"),
        pytest.param([], None, id="empty array"),
        pytest.param("", None, id="empty text"),
        pytest.param("[null]", None, id="null"),
        pytest.param([["stop"]], "['stop']", id="nested arrays break nothing"),
    ],
)
def test_finish_reason(value: Any, reason: str | None) -> None:
    sent = chat({"gen_ai.response.finish_reasons": value})
    assert columns_of(sent)["FinishReason"] == reason


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("[" * 100_000, id="nesting without end"),
        pytest.param('["\\ud800"]', id="half a character"),
        pytest.param("[" + "1" * 5_000 + "]", id="a number too long for Python"),
        pytest.param("a\0b", id="NUL"),
    ],
)
def test_text_from_a_sender_never_breaks_the_batch(value: str) -> None:
    batch = normalise(chat({"gen_ai.response.finish_reasons": value}), chat(number=2))
    assert batch["Operation"].to_pylist() == ["chat", "chat"]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("openai.chat", "openai"),
        ("openai.responses", "openai"),
        ("anthropic.messages", "anthropic"),
        ("Claude", "anthropic"),
        ("AWS", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock"),
        ("az.ai.openai", "azure.ai.openai"),
        ("Azure OpenAI", "azure.ai.openai"),
        ("azure.ai.inference", "azure.ai.inference"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("gcp.vertex.agent", "gcp.vertex_ai"),
        ("google-vertex", "gcp.vertex_ai"),
        ("gemini", "gcp.gemini"),
        ("google.generative-ai", "gcp.gemini"),
        ("xai", "x_ai"),
        ("mistralai", "mistral_ai"),
        ("our-gateway", "our-gateway"),
        ("Our Gateway", "our_gateway"),
        ("  ", None),
    ],
)
def test_provider_names(sent: str, name: str | None) -> None:
    assert provider(sent) == name
    assert columns_of(chat({"gen_ai.provider.name": sent}))["Provider"] == name


def test_a_providers_name_is_its_own_alias() -> None:
    assert {p.name for p in providers().values()} == {
        provider(p.name) for p in providers().values()
    }
    assert all(alias == alias.lower() for alias in providers())


@pytest.mark.parametrize(("text", "item"), [("[1, 2]", "1"), ('[""]', ""), ("plain", "plain")])
def test_first_item(text: str, item: str) -> None:
    assert first_item(text) == item


# Times ----------------------------------------------------------------------------------------


def token_event(at_ns: int) -> Span.Event:
    return event("First Token Stream Event", at_ns=NOON_NS + at_ns)


@pytest.mark.parametrize(
    ("sent", "ttft_ns"),
    [
        pytest.param(chat(), None, id="not reported"),
        pytest.param(chat({"gen_ai.response.time_to_first_chunk": 0.25}), 250 * MS, id="s"),
        pytest.param(chat({"gen_ai.response.time_to_first_chunk": "0.25"}), 250 * MS, id="s, text"),
        pytest.param(chat({"gen_ai.server.time_to_first_token": 0.25}), 250 * MS, id="s, server"),
        pytest.param(
            chat({"gen_ai.server.time_to_first_token": 250.0}),
            250 * MS,
            id="milliseconds under a name for seconds (Strands)",
        ),
        pytest.param(
            chat({"gen_ai.server.time_to_first_token": 250_000_000}),
            250 * MS,
            id="nanoseconds under a name for seconds",
        ),
        pytest.param(chat({"gen_ai.response.time_to_first_chunk": -1.0}), None, id="negative"),
        pytest.param(chat({"gen_ai.response.time_to_first_chunk": 0.0}), 0, id="zero"),
        pytest.param(chat({"gen_ai.response.time_to_first_chunk": 1.0}), NS, id="the whole span"),
        pytest.param(
            chat({"gen_ai.response.time_to_first_chunk": 0.5}, duration_ns=0), None, id="no room"
        ),
        pytest.param(span(VERCEL_V4), 250_500_000, id="milliseconds by convention"),
        pytest.param(
            span({"ai.operationId": "ai.streamText.doStream", "ai.stream.msToFirstChunk": 3}),
            3 * MS,
            id="milliseconds, older name",
        ),
        pytest.param(
            span(OPENINFERENCE, events=[token_event(400 * MS)]), 400 * MS, id="time of an event"
        ),
        pytest.param(
            span(OPENINFERENCE, events=[event("other"), token_event(4), token_event(9)]),
            4,
            id="the first of the events",
        ),
        pytest.param(span(OPENINFERENCE, events=[token_event(-1)]), None, id="event before start"),
        pytest.param(
            span(OPENINFERENCE, events=[token_event(3 * NS)]), None, id="event after the end"
        ),
        pytest.param(
            span(OPENINFERENCE, events=[event("First Token Stream Event", at_ns=2**64 - 1)]),
            None,
            id="event at the end of time",
        ),
        pytest.param(
            span(OPENINFERENCE, events=[event("First Token Stream Event", at_ns=2**63)]),
            None,
            id="event beyond a signed integer",
        ),
        pytest.param(chat(events=[token_event(5)]), None, id="another convention's event"),
    ],
)
def test_time_to_first_token(sent: Span, ttft_ns: int | None) -> None:
    assert columns_of(sent)["TimeToFirstToken"] == ttft_ns


def test_a_time_a_little_longer_than_its_span_is_not_in_milliseconds() -> None:
    """A client that does not stream measures both, and not at the same instant."""
    got = columns_of(chat({"gen_ai.response.time_to_first_chunk": 1.0005}))
    assert got["TimeToFirstToken"] in {None, NS}


@pytest.mark.parametrize(
    ("attributes", "tpot_ns"),
    [
        pytest.param(
            {"gen_ai.response.time_to_first_chunk": 0.2, "gen_ai.usage.output_tokens": 9},
            100 * MS,
            id="spread over the tokens after the first",
        ),
        pytest.param(
            {"gen_ai.response.time_to_first_chunk": 0.2, "gen_ai.usage.output_tokens": 1},
            None,
            id="one token",
        ),
        pytest.param({"gen_ai.usage.output_tokens": 9}, None, id="no first token"),
        pytest.param({"gen_ai.response.time_to_first_chunk": 0.2}, None, id="no usage"),
        pytest.param(
            {
                "gen_ai.server.time_per_output_token": 0.05,
                "gen_ai.response.time_to_first_chunk": 0.2,
                "gen_ai.usage.output_tokens": 9,
            },
            50 * MS,
            id="as reported",
        ),
        pytest.param(
            {
                "gen_ai.server.time_per_output_token": 7.0,
                "gen_ai.response.time_to_first_chunk": 0.2,
                "gen_ai.usage.output_tokens": 9,
            },
            100 * MS,
            id="reported longer than the span",
        ),
        pytest.param(
            {
                "gen_ai.server.time_per_output_token": -1.0,
                "gen_ai.response.time_to_first_chunk": 0.2,
                "gen_ai.usage.output_tokens": 9,
            },
            100 * MS,
            id="reported below zero",
        ),
    ],
)
def test_time_per_output_token(attributes: dict[str, Any], tpot_ns: int | None) -> None:
    assert columns_of(chat(attributes))["TimePerOutputToken"] == tpot_ns


# Status -----------------------------------------------------------------------------------------

RAISED = event("exception", {"exception.type": "TimeoutError", "exception.message": "m"})


@pytest.mark.parametrize(
    ("sent", "status", "error_type"),
    [
        pytest.param(chat(), "ok", None, id="unset"),
        pytest.param(chat(status=OK), "ok", None, id="ok"),
        pytest.param(chat(status=ERROR), "error", "_OTHER", id="error without a type"),
        pytest.param(chat({"error.type": "429"}, status=ERROR), "error", "429", id="attribute"),
        pytest.param(chat({"error.type": "429"}), "error", "429", id="attribute, status unset"),
        pytest.param(chat({"error.type": "429"}, status=OK), "ok", None, id="attribute, status ok"),
        pytest.param(
            chat(events=[RAISED], status=ERROR), "error", "TimeoutError", id="exception event"
        ),
        pytest.param(chat(events=[RAISED]), "ok", None, id="an exception that was handled"),
        pytest.param(
            chat({"error.type": "429"}, events=[RAISED], status=ERROR),
            "error",
            "429",
            id="attribute before exception",
        ),
        pytest.param(
            chat(events=[event("log", {"exception.type": "x"})], status=ERROR),
            "error",
            "_OTHER",
            id="another event says nothing",
        ),
        pytest.param(
            chat(events=[event("exception", {"exception.type": ""})], status=ERROR),
            "error",
            "_OTHER",
            id="an exception without a type",
        ),
        pytest.param(span(status=ERROR), "error", "_OTHER", id="a span that is no call"),
    ],
)
def test_status_and_error_type(sent: Span, status: str, error_type: str | None) -> None:
    got = columns_of(sent)
    assert (got["Status"], got["ErrorType"]) == (status, error_type)


# Resource -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "attributes", "expected"),
    [
        pytest.param(
            {"service.name": "s", "service.version": "1.2", "tenant.id": "t"},
            {},
            {"ServiceName": "s", "Release": "1.2", "Tenant": "t", "Environment": None},
            id="of the resource",
        ),
        pytest.param(
            {"deployment.environment.name": "prod"}, {}, {"Environment": "prod"}, id="new name"
        ),
        pytest.param({"deployment.environment": "dev"}, {}, {"Environment": "dev"}, id="old name"),
        pytest.param(
            {"deployment.environment": "dev", "deployment.environment.name": "prod"},
            {},
            {"Environment": "prod"},
            id="new name before old",
        ),
        pytest.param(
            {"deployment.environment": "dev", "deployment.environment.name": ""},
            {},
            {"Environment": "dev"},
            id="empty text is absent",
        ),
        pytest.param(
            {"tenant.id": "of the resource", "service.version": "1"},
            {"tenant.id": "of the span", "service.version": "2"},
            {"Tenant": "of the span", "Release": "2"},
            id="the span before its resource",
        ),
        pytest.param({}, {}, {"ServiceName": "unknown_service"}, id="no service name"),
        pytest.param(
            {"service.name": ""}, {}, {"ServiceName": "unknown_service"}, id="empty service name"
        ),
        pytest.param({"service.name": 5}, {}, {"ServiceName": "5"}, id="a name that is a number"),
        pytest.param(
            [("service.name", "a"), ("service.name", "b"), ("tenant.id", "x"), ("tenant.id", "y")],
            {},
            {"ServiceName": "a", "Tenant": "x"},
            id="a key twice: the first",
        ),
    ],
)
def test_resource_attributes(resource: Any, attributes: Any, expected: dict[str, Any]) -> None:
    got = columns_of(chat(attributes), resource=resource)
    assert {name: got[name] for name in expected} == expected


# Content ----------------------------------------------------------------------------------------


def test_content_is_set_apart_and_nothing_else_is() -> None:
    contents = {
        "gen_ai.input.messages": [{"role": "user", "parts": ["hi"]}],
        "gen_ai.output.messages": '[{"role":"assistant"}]',
        "gen_ai.system_instructions": "be kind",
        "gen_ai.prompt.0.content": "hi",
        "llm.input_messages.0.message.content": "hi",
        "ai.prompt": "hi",
    }
    kept = {"gen_ai.prompt.version": "7", "gen_ai.usage.input_tokens": 5, "user.id": "u"}
    batch = normalise(chat({**contents, **kept}), span({"a": 1}, number=2))
    assert batch.content is not None
    names = [batch.content.key_names[code] for code in batch.content.codes]
    assert sorted(names) == sorted(contents)
    assert batch.content.owners.tolist() == [0] * len(contents)
    left = {batch.attributes.key_names[code] for code in batch.attributes.codes}
    assert left == {
        *kept,
        *("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "a"),
    }
    assert row(batch)["PromptVersion"] == "7"


def test_content_fills_its_fields() -> None:
    got = columns_of(
        chat(
            {
                "gen_ai.input.messages": [{"role": "user"}],
                "gen_ai.output.messages": '[{"role":"assistant"}]',
                "gen_ai.system_instructions": "be kind",
            }
        )
    )
    assert json.loads(got["Input"]) == [{"role": "user"}]
    assert (got["Output"], got["System"]) == ('[{"role":"assistant"}]', "be kind")


def test_a_batch_without_content_has_none() -> None:
    assert normalise(chat()).content is None


def test_normalising_leaves_its_input_as_it_was() -> None:
    batch = decode(request(chat({"gen_ai.input.messages": "hi"})))
    before = set(batch.columns)
    NORMALISE(batch)
    assert set(batch.columns) == before
    assert batch.content is None
    assert "gen_ai.input.messages" in batch.attributes.key_names


@pytest.mark.parametrize("count", [0, 1, 3])
def test_spans_without_any_attribute_are_normalised(count: int) -> None:
    batch = normalise(*(span(number=n + 1) for n in range(count)), resource={})
    assert batch["SpanClass"].to_pylist() == [None] * count
    assert batch["ServiceName"].to_pylist() == ["unknown_service"] * count


# Rules of scopes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "attributes", "expected"),
    [
        pytest.param(
            "opentelemetry.instrumentation.bedrock",
            {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 20},
            tokens(input=100, cache_read=20),
            id="Bedrock leaves cached tokens out",
        ),
        pytest.param(
            "opentelemetry.instrumentation.anthropic",
            {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 20},
            tokens(input=80, cache_read=20),
            id="Anthropic's instrumentation adds them",
        ),
        pytest.param(
            "opentelemetry.instrumentation.google_generativeai",
            {"gen_ai.usage.output_tokens": 100, "gen_ai.usage.reasoning_tokens": 20},
            tokens(output=100, reasoning=20),
            id="google-generativeai leaves thoughts out",
        ),
        pytest.param(
            "openinference.instrumentation.claude_agent_sdk",
            {
                "openinference.span.kind": "LLM",
                "llm.token_count.prompt": 100,
                "llm.token_count.prompt_details.cache_read": 20,
            },
            tokens(input=100, cache_read=20),
            id="claude_agent_sdk leaves cached tokens out",
        ),
    ],
)
def test_rules_of_a_scope(scope: str, attributes: dict[str, Any], expected: dict[str, Any]) -> None:
    got = columns_of(chat(attributes), scope=scope)
    assert {name: got[name] for name in expected} == expected


def test_counts_are_kept_as_they_were_reported() -> None:
    got = columns_of(span(OTEL_2026))["ReportedUsage"]
    assert dict(got) == {
        "input_tokens": 1250,
        "output_tokens": 300,
        "cache_read_tokens": 1000,
        "cache_write_tokens": 200,
        "reasoning_tokens": 100,
    }


# The files --------------------------------------------------------------------------------------

GOOD = {
    "name": "n",
    "order": 1,
    "about": "a",
    "source": "s",
    "detect": {"keys": ["k"]},
    "fields": {"operation": [{"key": "k"}], "ttft": [{"key": "t", "unit": "s"}]},
}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_each_convention_file_is_sound_and_named_after_its_convention(file: Any) -> None:
    read = parse(file.read_text(encoding="utf-8"), file.name)
    assert file.name == read.name.replace("-", "_") + ".yaml"
    operations = [
        meaning
        for source in read.fields.get("operation", ())
        for meaning in [*(source.values or {}).values(), *filter(None, [source.value])]
    ]
    assert set(operations) <= set(CLASS_OF_OPERATION)


def test_all_files_are_loaded() -> None:
    assert len(convention.load().all) == len(FILES)


def test_a_sound_file_is_read() -> None:
    assert parse(yaml.safe_dump(GOOD), "good.yaml").name == "n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"fields": {"nose": [{"key": "k"}]}}, "unknown fields: nose", id="field"),
        pytest.param({"fields": {"operation": []}}, "at least 1 item", id="no source"),
        pytest.param({"fields": {"operation": [{}]}}, "a source is one of", id="no place"),
        pytest.param(
            {"fields": {"operation": [{"key": "k", "resource": "r"}]}},
            "a source is one of",
            id="two places",
        ),
        pytest.param(
            {"fields": {"operation": [{"span_name": "s"}]}},
            "needs a value",
            id="name without value",
        ),
        pytest.param({"fields": {"ttft": [{"key": "k"}]}}, "needs a unit", id="time without unit"),
        pytest.param(
            {"fields": {"ttft": [{"key": "k", "unit": "h"}]}}, "'s', 'ms', 'us', 'ns'", id="unit"
        ),
        pytest.param(
            {"fields": {"input_tokens": [{"key": "k", "value": "5"}]}},
            "only a text field",
            id="a count with a value",
        ),
        pytest.param(
            {"fields": {"operation": [{"key": "k", "transform": "rot13"}]}},
            "transform",
            id="transform",
        ),
        pytest.param(
            {"fields": {"operation": [{"resource": "r", "path": "a"}]}},
            "a path needs an attribute of the span",
            id="a path elsewhere",
        ),
        pytest.param(
            {"fields": {"input_tokens": [{"key": "k", "values": {"a": "5"}}]}},
            "only a text field",
            id="a count with values",
        ),
        pytest.param({"colour": "red"}, "colour", id="unknown part"),
        pytest.param({"order": "first"}, "order", id="order is no number"),
        pytest.param({"name": None}, "name", id="no name"),
    ],
)
def test_a_bad_convention_file_says_where_and_what(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(yaml.safe_dump(GOOD | change), "bad.yaml")
    assert str(raised.value).startswith("bad.yaml: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["", "- a list", "a: [unclosed", "just text"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^bad\.yaml: "):
        parse(text, "bad.yaml")


@pytest.mark.parametrize(
    "other", [{"name": "other"}, {"order": 2}], ids=["the same order", "the same name"]
)
def test_two_conventions_are_told_apart(other: dict[str, Any]) -> None:
    first, second = (parse(yaml.safe_dump(GOOD | change), "f") for change in ({}, other))
    with pytest.raises(ConfigurationError, match="same name or the same order"):
        Conventions([first, second])


def test_conventions_are_no_more_than_a_span_has_bits_for() -> None:
    many = [
        parse(yaml.safe_dump(GOOD | {"name": f"n{order}", "order": order}), "f")
        for order in range(65)
    ]
    assert len(Conventions(many[:64]).all) == 64
    with pytest.raises(ConfigurationError, match="more than 64 conventions"):
        Conventions(many)


@pytest.mark.parametrize(
    ("detect", "found"),
    [
        pytest.param({"keys": ["acme.kind"]}, True, id="a key"),
        pytest.param({"keys": ["acme"]}, False, id="another key"),
        pytest.param({"key_prefixes": ["acme."]}, True, id="the start of a key"),
        pytest.param({"key_prefixes": ["b."]}, False, id="another start"),
        pytest.param({"values": {"acme.kind": ["say", "ask"]}}, True, id="a value"),
        pytest.param({"values": {"acme.kind": ["say"]}}, False, id="another value"),
        pytest.param({"values": {"b": ["ask"]}}, False, id="a value of another key"),
        pytest.param({"scopes": ["acme.tracer"]}, True, id="a scope"),
        pytest.param({"scopes": ["acme"]}, False, id="another scope"),
        pytest.param({"scopes": ["acme*"]}, True, id="the start of a scope"),
        pytest.param({"span_names": ["ask me"]}, True, id="a name"),
        pytest.param({"span_names": ["ask"]}, False, id="another name"),
        pytest.param({"span_names": ["ask*"]}, True, id="the start of a name"),
    ],
)
def test_what_marks_a_span_as_a_conventions_own(detect: dict[str, Any], found: bool) -> None:
    own = parse(yaml.safe_dump(GOOD | {"detect": detect}), "own.yaml")
    sent = request(span({"acme.kind": "ask"}, name="ask me"), scope="acme.tracer")
    other = request(span({"x": "y"}, number=2, name="other"), scope="other")
    batch = Normaliser(Conventions([own]))(decode(sent, other))
    assert batch["Convention"].to_pylist() == ["n" if found else None, None]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"key": "k"}, ["a", "a"], id="every scope"),
        pytest.param({"key": "k", "scopes": ["one"]}, ["a", None], id="one scope"),
        pytest.param({"key": "k", "scopes": ["one", "t*"]}, ["a", "a"], id="two scopes"),
        pytest.param({"span_name": "s*", "value": "b", "scopes": ["two"]}, [None, "b"], id="name"),
        pytest.param({"key": "k", "where": {"w": ["1"]}}, ["a", None], id="where"),
        pytest.param({"key": "k", "where": {"w": ["3"]}}, [None, None], id="nowhere"),
        pytest.param(
            {"key": "k", "transform": "json_text", "values": {"a": "A"}},
            ["A", "A"],
            id="a transform, then values",
        ),
    ],
)
def test_the_limits_of_a_source(source: dict[str, Any], expected: list[str | None]) -> None:
    own = parse(yaml.safe_dump(GOOD | {"fields": {"operation": [source]}}), "own.yaml")
    batch = Normaliser(Conventions([own]))(
        decode(
            request(span({"k": "a", "w": 1}), scope="one"),
            request(span({"k": "a", "w": 2}, number=2), scope="two"),
        )
    )
    assert batch["Operation"].to_pylist() == expected


KEYS = sorted(
    {
        found.source.key
        for sources in convention.load().sources.values()
        for found in sources
        if found.source.key is not None
    }
)
ODD_VALUES = st.one_of(
    st.sampled_from(
        ["", "{", '{"usage": {}}', '"', '""', "[]", "null", "1e999", "\0", "9" * 400, "NaN", "²"]
    ),
    st.text(max_size=20),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.none(),
    st.dictionaries(st.sampled_from(["input", "total", "usage"]), st.integers(-5, 5), max_size=2),
)


@given(
    st.lists(st.dictionaries(st.sampled_from(KEYS), ODD_VALUES, max_size=8), min_size=1, max_size=4)
)
@settings(max_examples=150, deadline=None)
def test_no_value_under_a_known_key_breaks_a_batch(spans: list[dict[str, Any]]) -> None:
    batch = normalise(*(span(own, number=n + 1) for n, own in enumerate(spans)))
    assert len(batch) == len(spans)
    classed = [name is not None for name in batch["SpanClass"].to_pylist()]
    assert [outcome is not None for outcome in batch["Outcome"].to_pylist()] == classed


def test_an_own_convention_is_one_file() -> None:
    own = {
        "detect": {"key_prefixes": ["acme."]},
        "fields": {
            "operation": [{"key": "acme.kind", "values": {"ask": "chat"}}],
            "input_tokens": [{"key": "acme.in"}],
        },
        "content_prefixes": ["acme.text."],
    }
    conventions = Conventions([parse(yaml.safe_dump(GOOD | own), "acme.yaml")])
    sent = span({"acme.kind": "ask", "acme.in": 5, "acme.text.prompt": "hi"})
    batch = Normaliser(conventions)(decode(request(sent)))
    got = row(batch)
    assert (got["Convention"], got["SpanClass"], got["TokensInput"]) == ("n", "call", 5)
    assert batch.content is not None


def test_a_key_that_also_tells_an_id_stays_content() -> None:
    answer = '{"id":"chatcmpl-123456","choices":[]}'
    batch = normalise(span({"openinference.span.kind": "LLM", "output.value": answer}))
    assert batch["ResponseId"].to_pylist() == ["chatcmpl-123456"]
    assert "output.value" not in [batch.attributes.key_names[c] for c in batch.attributes.codes]
    assert batch.content is not None
    assert batch.content.text.to_pylist() == [answer]
