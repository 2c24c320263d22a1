"""Each convention file reads the spans that its senders write."""

import json
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.genai import convention
from exporter.metrics.observe import Observer
from tests.support.otlp import NS, request, span
from tests.unit.pipeline import NORMALISE, PRICE, decode, row

MS = NS // 1000

OTEL_CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 40,
}


def columns_of(sent: Span, scope: str = "", **of_request: Any) -> dict[str, Any]:
    return row(NORMALISE(decode(request(sent, scope=scope, **of_request))))


CALLS = [
    pytest.param(
        "litellm",
        "litellm",
        span(
            OTEL_CALL
            | {
                "litellm.cost.total": 0.0025,
                "litellm.provider.model": "gpt-4o-2024-08-06",
                "litellm.call_id": "call-1",
                "litellm.team.id": "t1",
                "litellm.team.alias": "search",
                "litellm.end_user.id": "u1",
                "gen_ai.response.time_to_first_chunk": 0.25,
            },
            name="chat m",
        ),
        {
            "Operation": "chat",
            "RequestModel": "m",
            "ResponseModel": "gpt-4o-2024-08-06",
            "ResponseId": "call-1",
            "ReportedCostUsd": Decimal("0.0025"),
            "Tenant": "search",
            "UserId": "u1",
            "TimeToFirstToken": 250 * MS,
        },
        id="litellm v2",
    ),
    pytest.param(
        "litellm",
        "litellm",
        span(
            {
                "llm.request.type": "acompletion",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 4,
                "llm.usage.total_tokens": 14,
                "hidden_params": json.dumps({"response_cost": 0.00042, "api_base": None}),
                "metadata.user_api_key_team_id": "t9",
                "metadata.user_api_key_user_id": "u9",
                "metadata.user_api_key_alias": "checkout",
            },
            name="litellm_request",
        ),
        {
            "Operation": "chat",
            "TokensInput": 10,
            "TokensOutput": 4,
            "ReportedCostUsd": Decimal("0.00042"),
            "Tenant": "t9",
            "UserId": "u9",
            "Feature": "checkout",
        },
        id="litellm legacy",
    ),
    pytest.param(
        "litellm",
        "",
        span(OTEL_CALL | {"litellm.cache_hit": True, "litellm.cost.total": 0.01}),
        {"ReportedCostUsd": Decimal("0.01"), "CacheHit": True},
        id="litellm, answer out of the cache",
    ),
    pytest.param(
        "claude-code",
        "com.anthropic.claude_code.tracing",
        span(
            {
                "span.type": "llm_request",
                "model": "claude-opus-4-6\x1b[1m",
                "input_tokens": "3",
                "output_tokens": "13",
                "cache_read_tokens": 11229,
                "cache_creation_tokens": 4797,
                "ttft_ms": "195.5",
                "request_id": "req_1",
                "stop_reason": "max_tokens",
                "session.id": "s1",
                "user.id": "u1",
                "organization.id": "o1",
                "query_source": "sdk",
            },
            name="claude_code.llm_request",
        ),
        {
            "Operation": "chat",
            "Provider": "anthropic",
            "RequestModel": "claude-opus-4-6",
            "ResponseId": "req_1",
            "TokensInput": 3,
            "TokensCacheRead": 11229,
            "TokensCacheWrite": 4797,
            "TokensOutput": 13,
            "TimeToFirstToken": 195_500_000,
            "Outcome": "truncated",
            "SessionId": "s1",
            "UserId": "u1",
            "Tenant": "o1",
            "Feature": "sdk",
        },
        id="claude-code",
    ),
    pytest.param(
        "claude-code",
        "claude-code",
        span(
            {"span.type": "claude_code.llm_request", "success": False, "status_code": 429},
            name="llm_request",
        ),
        {"Operation": "chat", "Status": "error", "Outcome": "rate_limited"},
        id="claude-code, refused",
    ),
    pytest.param(
        "anthropic-sdk",
        "com.anthropic.sdk.python",
        span(
            {
                "gen_ai.provider.name": "anthropic",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.cache_read.input_tokens": 60,
                "anthropic.request.id": "req_7",
                "anthropic.workspace.id": "w1",
            },
            name="anthropic.messages.create",
        ),
        {"Operation": "chat", "ResponseId": "req_7", "Tenant": "w1", "TokensInput": 40},
        id="anthropic-sdk",
    ),
    pytest.param(
        "codex-cli",
        "codex_cli_rs",
        span(
            {
                "model": "gpt-5-codex",
                "conversation.id": "c1",
                "user.account_id": "a1",
                "codex.turn.token_usage.input_tokens": 1000,
                "codex.turn.token_usage.cached_input_tokens": 800,
                "codex.turn.token_usage.output_tokens": 200,
                "codex.turn.token_usage.reasoning_output_tokens": 50,
                "codex.turn.token_usage.total_tokens": 1200,
            },
            name="session_task.turn",
        ),
        {
            "Operation": "chat",
            "Provider": "openai",
            "RequestModel": "gpt-5-codex",
            "TokensInput": 200,
            "TokensCacheRead": 800,
            "TokensOutput": 150,
            "TokensReasoning": 50,
            "SessionId": "c1",
            "UserId": "a1",
        },
        id="codex-cli",
    ),
    pytest.param(
        "codex-cli",
        "codex_exec",
        span(
            {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2},
            name="handle_responses",
        ),
        {"Operation": "chat", "TokensInput": 9},
        id="codex exec",
    ),
    pytest.param(
        "gemini-cli",
        "gemini-cli",
        span(
            {
                "gen_ai.operation.name": "llm_call",
                "gen_ai.agent.name": "gemini-cli",
                "gen_ai.request.model": "gemini-2.5-pro",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 30,
                "gen_ai.usage.reasoning.output_tokens": 20,
                "session.id": "s",
                "user.email": "a@b.c",
            }
        ),
        {
            "Operation": "generate_content",
            "Provider": "gcp.gemini",
            "TokensOutput": 30,
            "TokensReasoning": 20,
            "UserId": "a@b.c",
        },
        id="gemini-cli",
    ),
    pytest.param(
        "github-copilot",
        "github.copilot",
        span(OTEL_CALL | {"github.copilot.cost": 2.0, "enduser.pseudo.id": "p"}),
        {"Operation": "chat", "TokensInput": 100, "UserId": "p", "ReportedCostUsd": None},
        id="github-copilot",
    ),
    pytest.param(
        "vercel-ai-sdk-7",
        "gen_ai",
        span(
            OTEL_CALL
            | {
                "gen_ai.client.operation.time_to_first_chunk": 0.25,
                "gen_ai.client.operation.time_per_output_chunk": 0.01,
            }
        ),
        {"Operation": "chat", "TimeToFirstToken": 250 * MS, "TimePerOutputToken": 10 * MS},
        id="vercel-ai-sdk-7",
    ),
    pytest.param(
        "vercel-ai-sdk",
        "ai",
        span(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.usage.inputTokens": 18_495,
                "ai.usage.outputTokens": 445,
                "ai.usage.totalTokens": 18_940,
                "ai.usage.cachedInputTokens": "16399",
                "ai.response.providerMetadata": json.dumps(
                    {
                        "anthropic": {
                            "usage": {
                                "input_tokens": 7,
                                "cache_creation_input_tokens": 2089,
                                "cache_read_input_tokens": 16399,
                                "cache_creation": {
                                    "ephemeral_5m_input_tokens": 1089,
                                    "ephemeral_1h_input_tokens": 1000,
                                },
                            }
                        }
                    }
                ),
            }
        ),
        {
            "TokensInput": 7,
            "TokensCacheRead": 16_399,
            "TokensCacheWrite": 1089,
            "TokensCacheWrite1h": 1000,
            "TokensOutput": 445,
        },
        id="vercel with Anthropic's own counts",
    ),
    pytest.param(
        "langfuse",
        "langfuse-sdk",
        span(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o",
                "langfuse.observation.usage_details": json.dumps(
                    {
                        "input": 123,
                        "output": 456,
                        "total": 709,
                        "input_cached_tokens": 100,
                        "output_reasoning_tokens": 30,
                    }
                ),
                "langfuse.observation.cost_details": json.dumps({"input": 0.0001, "output": 0.002}),
                "langfuse.observation.completion_start_time": '"2026-11-21T12:00:00.250Z"',
                "langfuse.observation.prompt.version": 3,
                "langfuse.trace.name": "search",
                "langfuse.environment": "staging",
                "langfuse.release": "r1",
                "user.id": "u",
                "session.id": "s",
            },
            start_ns=1_795_262_400 * NS,
        ),
        {
            "Operation": "chat",
            "RequestModel": "gpt-4o",
            "TokensInput": 123,
            "TokensCacheRead": 100,
            "TokensOutput": 456,
            "TokensReasoning": 30,
            "ReportedCostUsd": Decimal("0.0021"),
            "TimeToFirstToken": 250 * MS,
            "PromptVersion": "3",
            "Feature": "search",
            "Environment": "staging",
            "Release": "r1",
            "UserId": "u",
            "SessionId": "s",
        },
        id="langfuse",
    ),
    pytest.param(
        "langfuse",
        "langfuse-sdk",
        span(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.usage_details": json.dumps(
                    {
                        "prompt_tokens": 100,
                        "completion_tokens": 50,
                        "total_tokens": 150,
                        "prompt_tokens_details": {"cached_tokens": 80},
                        "completion_tokens_details": {"reasoning_tokens": 20},
                    }
                ),
                "langfuse.observation.cost_details": json.dumps({"input": 1, "total": 0.5}),
            }
        ),
        {
            "TokensInput": 20,
            "TokensCacheRead": 80,
            "TokensOutput": 30,
            "TokensReasoning": 20,
            "ReportedCostUsd": Decimal("0.5"),
        },
        id="langfuse, OpenAI's own usage",
    ),
    pytest.param(
        "langsmith",
        "langsmith",
        span(
            {
                "langsmith.span.kind": "llm",
                "langsmith.trace.session_id": "project",
                "langsmith.trace.name": "ask",
                "langsmith.metadata.thread_id": "thread",
                "langsmith.metadata.user_id": "u",
                "langsmith.metadata.ls_provider": "openai",
                "langsmith.metadata.ls_model_name": "gpt-4o",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.total_tokens": 150,
                "gen_ai.usage.input_token_details": '{"cache_read": 30, "cache_creation": 10}',
                "gen_ai.usage.output_token_details": '{"reasoning": 20}',
            }
        ),
        {
            "Operation": "chat",
            "Provider": "openai",
            "RequestModel": "gpt-4o",
            "TokensInput": 60,
            "TokensCacheRead": 30,
            "TokensCacheWrite": 10,
            "TokensOutput": 30,
            "TokensReasoning": 20,
            "SessionId": "thread",
            "UserId": "u",
            "Feature": "ask",
        },
        id="langsmith",
    ),
    pytest.param(
        "openlit",
        "openlit.otel.tracing",
        span(
            OTEL_CALL
            | {
                "gen_ai.application_name": "app",
                "gen_ai.environment": "prod",
                "gen_ai.request.user": "u",
                "gen_ai.usage.cost": 0.000151,
                "gen_ai.server.time_to_first_token": 0.25,
                "gen_ai.server.time_per_output_token": 0.01,
                "gen_ai.usage.prompt_tokens_details.cached_tokens": 20,
                "gen_ai.usage.completion_tokens_details.reasoning_tokens": 10,
            }
        ),
        {
            "TokensCacheRead": 20,
            "TokensReasoning": 10,
            "ReportedCostUsd": Decimal("0.000151"),
            "TimeToFirstToken": 250 * MS,
            "TimePerOutputToken": 10 * MS,
            "Environment": "prod",
            "UserId": "u",
        },
        id="openlit",
    ),
    pytest.param(
        "pydantic-ai",
        "pydantic-ai",
        span(
            OTEL_CALL
            | {
                "operation.cost": 0.001,
                "gen_ai.usage.details.cache_read_tokens": 30,
                "gen_ai.usage.details.input_audio_tokens": 5,
                "gen_ai.usage.details.output_audio_tokens": 7,
                "logfire.span_type": "span",
            }
        ),
        {
            "Operation": "chat",
            "TokensInput": 65,
            "TokensCacheRead": 30,
            "TokensInputAudio": 5,
            "TokensOutput": 33,
            "TokensOutputAudio": 7,
            "ReportedCostUsd": Decimal("0.001"),
        },
        id="pydantic-ai",
    ),
    pytest.param(
        "mlflow",
        "mlflow",
        span(
            {
                "mlflow.spanType": '"CHAT_MODEL"',
                "mlflow.llm.model": '"claude-sonnet-4-5"',
                "mlflow.llm.provider": '"anthropic"',
                "mlflow.chat.tokenUsage": json.dumps(
                    {
                        "input_tokens": 100,
                        "output_tokens": 40,
                        "total_tokens": 140,
                        "cache_read_input_tokens": 30,
                        "cache_creation_input_tokens": 10,
                        "cache_creation_input_tokens_above_1hr": 5,
                    }
                ),
                "mlflow.llm.cost": '{"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3}',
                "mlflow.trace.user": '"u"',
                "mlflow.trace.session": '"s"',
            }
        ),
        {
            "Operation": "chat",
            "Provider": "anthropic",
            "RequestModel": "claude-sonnet-4-5",
            "TokensInput": 55,
            "TokensCacheRead": 30,
            "TokensCacheWrite": 10,
            "TokensCacheWrite1h": 5,
            "TokensOutput": 40,
            "ReportedCostUsd": Decimal("0.3"),
            "UserId": "u",
            "SessionId": "s",
        },
        id="mlflow",
    ),
    pytest.param(
        "strands",
        "strands.telemetry.tracer",
        span(
            OTEL_CALL
            | {
                "gen_ai.usage.prompt_tokens": 100,
                "gen_ai.usage.total_tokens": 170,
                "gen_ai.usage.cache_read_input_tokens": 20,
                "gen_ai.usage.cache_write_input_tokens": 10,
                "gen_ai.server.time_to_first_token": 250,
                "session.id": "s",
            }
        ),
        {
            "TokensInput": 100,
            "TokensCacheRead": 20,
            "TokensCacheWrite": 10,
            "TimeToFirstToken": 250 * MS,
            "SessionId": "s",
        },
        id="strands, raw counts of Bedrock",
    ),
    pytest.param(
        "strands",
        "strands.telemetry.tracer",
        span(OTEL_CALL | {"gen_ai.server.time_to_first_token": 1}, duration_ns=10 * NS),
        {"TimeToFirstToken": 1 * MS},
        id="strands, a millisecond that could be a second",
    ),
    pytest.param(
        "google-adk",
        "gcp.vertex.agent",
        span(
            {
                "gen_ai.operation.name": "generate_content",
                "gen_ai.system": "gemini",
                "gen_ai.request.model": "gemini-2.5-flash",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.experimental.reasoning_tokens": 20,
                "gcp.vertex.agent.event_id": "e1",
                "gcp.vertex.agent.session_id": "s1",
            },
            name="generate_content gemini-2.5-flash",
        ),
        {
            "Operation": "generate_content",
            "Provider": "gcp.gemini",
            "ResponseId": "e1",
            "SessionId": "s1",
            "TokensOutput": 30,
            "TokensReasoning": 20,
        },
        id="google-adk",
    ),
    pytest.param(
        "vllm",
        "vllm.llm_engine",
        span(
            {
                "gen_ai.request.id": "cmpl-1",
                "gen_ai.response.model": "qwen3",
                "gen_ai.usage.prompt_tokens": 100,
                "gen_ai.usage.completion_tokens": 40,
                "gen_ai.usage.cached_tokens": 64,
                "gen_ai.latency.time_to_first_token": 0.25,
                "gen_ai.latency.e2e": 0.9,
            },
            name="llm_request",
        ),
        {
            "Operation": "text_completion",
            "Provider": "vllm",
            "ResponseId": "cmpl-1",
            "TokensInput": 36,
            "TokensCacheRead": 64,
            "TimeToFirstToken": 250 * MS,
        },
        id="vllm",
    ),
    pytest.param(
        "sglang",
        "sglang server",
        span(
            {
                "gen_ai.usage.prompt_tokens": 100,
                "gen_ai.usage.completion_tokens": 40,
                "gen_ai.usage.cached_tokens": 64,
                "gen_ai.latency.time_to_first_token": 0.25,
                "gen_ai.latency.e2e": 0.9,
            }
        ),
        {
            "Operation": "text_completion",
            "Provider": "sglang",
            "TokensInput": 36,
            "TimeToFirstToken": 250 * MS,
        },
        id="sglang",
    ),
    pytest.param(
        "openrouter",
        "openrouter",
        span(
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.total_cost": 0.002,
                "trace.metadata.feature": "search",
                "user.id": "u",
            },
            name="LLM Generation",
        ),
        {
            "Operation": "chat",
            "ReportedCostUsd": Decimal("0.002"),
            "Feature": "search",
            "UserId": "u",
        },
        id="openrouter",
    ),
    pytest.param(
        "alibaba-arms",
        "",
        span(
            {
                "gen_ai.span.kind": "LLM",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.server.time_to_first_token": 250_000_000,
                "gen_ai.session.id": "s",
                "gen_ai.user.id": "u",
            }
        ),
        {
            "Operation": "chat",
            "TimeToFirstToken": 250 * MS,
            "SessionId": "s",
            "UserId": "u",
        },
        id="alibaba-arms, in nanoseconds",
    ),
    pytest.param(
        "sentry",
        "",
        span(
            {
                "sentry.op": "gen_ai.chat",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.input_tokens.cached": 30,
                "gen_ai.usage.input_tokens.cache_write": 10,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.output_tokens.reasoning": 20,
                "gen_ai.cost.total_tokens": 0.002,
                "gen_ai.response.time_to_first_token": 0.25,
                "gen_ai.pipeline.name": "search",
            }
        ),
        {
            "Operation": "chat",
            "TokensInput": 60,
            "TokensCacheRead": 30,
            "TokensCacheWrite": 10,
            "TokensOutput": 30,
            "TokensReasoning": 20,
            "ReportedCostUsd": Decimal("0.002"),
            "TimeToFirstToken": 250 * MS,
            "Feature": "search",
        },
        id="sentry",
    ),
    pytest.param(
        "langwatch",
        "",
        span(
            {
                "langwatch.span.type": "llm",
                "langwatch.span.cost": 0.01,
                "langwatch.thread.id": "s",
                "langwatch.user.id": "u",
                "langwatch.customer.id": "c",
            }
        ),
        {
            "Operation": "chat",
            "ReportedCostUsd": Decimal("0.01"),
            "SessionId": "s",
            "UserId": "u",
            "Tenant": "c",
        },
        id="langwatch",
    ),
    pytest.param(
        "mastra",
        "@mastra/otel",
        span(
            OTEL_CALL
            | {
                "mastra.span.type": "model_generation",
                "gen_ai.usage.cached_input_tokens": 30,
                "mastra.metadata.threadId": "s",
            }
        ),
        {"Operation": "chat", "TokensInput": 70, "TokensCacheRead": 30, "SessionId": "s"},
        id="mastra",
    ),
    pytest.param(
        "laminar",
        "lmnr",
        span(
            {
                "lmnr.span.type": "LLM",
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.usage.cost": 0.01,
                "lmnr.association.properties.session_id": "s",
                "lmnr.association.properties.user_id": "u",
            }
        ),
        {
            "Operation": "chat",
            "ReportedCostUsd": Decimal("0.01"),
            "SessionId": "s",
            "UserId": "u",
        },
        id="laminar",
    ),
    pytest.param(
        "livekit",
        "livekit-agents",
        span(
            {
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 5,
                "lk.chat_ctx": "{}",
                "lk.response.text": "hi",
            },
            name="llm_request",
        ),
        {"Operation": "chat", "TokensInput": 5, "Output": "hi"},
        id="livekit",
    ),
    pytest.param(
        "voltagent",
        "@voltagent/core",
        span({"span.type": "llm", "usage.prompt_tokens": 5, "llm.usage.completion_tokens": 7}),
        {"Operation": "chat", "TokensInput": 5, "TokensOutput": 7},
        id="voltagent",
    ),
    pytest.param(
        "genkit",
        "genkit-tracer",
        span(
            {
                "genkit:type": "action",
                "genkit:name": "googleai/gemini-2.5-flash",
                "genkit:metadata:subtype": "model",
                "genkit:output": json.dumps(
                    {
                        "finishReason": "length",
                        "usage": {
                            "inputTokens": 1618,
                            "outputTokens": 337,
                            "thoughtsTokens": 320,
                            "totalTokens": 1955,
                        },
                    }
                ),
            }
        ),
        {
            "Operation": "chat",
            "Provider": "gcp.gemini",
            "RequestModel": "gemini-2.5-flash",
            "TokensInput": 1618,
            "TokensOutput": 17,
            "TokensReasoning": 320,
            "Outcome": "truncated",
            "Tool": None,
        },
        id="genkit",
    ),
    pytest.param(
        "semantic-kernel",
        "Microsoft.SemanticKernel.Diagnostics",
        span(
            {
                "gen_ai.operation.name": "chat.completions",
                "gen_ai.response.prompt_tokens": 5,
                "gen_ai.response.completion_tokens": 7,
            }
        ),
        {"Operation": "chat", "TokensInput": 5, "TokensOutput": 7},
        id="semantic-kernel",
    ),
    pytest.param(
        "rig",
        "",
        span(
            OTEL_CALL
            | {"gen_ai.operation.name": "chat_streaming", "gen_ai.usage.cached_tokens": 30}
        ),
        {"Operation": "chat", "TokensInput": 70, "TokensCacheRead": 30},
        id="rig",
    ),
    pytest.param(
        "spring-ai",
        "org.springframework.boot",
        span(
            {
                "spring.ai.model.request.n": "1",
                "gen_ai.operation.name": "embedding",
                "gen_ai.usage.input_tokens": "5",
                "gen_ai.usage.total_tokens": "5",
            }
        ),
        {"Operation": "embeddings", "TokensInput": 5},
        id="spring-ai",
    ),
    pytest.param(
        "tgi",
        "text-generation-router",
        span({"total_time": "1.2345s", "inference_time": "1.2s", "time_per_token": "15.3ms"}),
        {"Operation": "text_completion", "TimePerOutputToken": 15_300_000, "TokensInput": None},
        id="tgi",
    ),
    pytest.param(
        "openinference",
        "openinference.instrumentation.openai",
        span(
            {
                "openinference.span.kind": "LLM",
                "llm.invocation_parameters": '{"model": "gpt-4o", "temperature": 0}',
                "metadata": '{"tenant_id": "t", "feature": "f", "thread_id": "s"}',
            }
        ),
        {"RequestModel": "gpt-4o", "Tenant": "t", "Feature": "f", "SessionId": "s"},
        id="openinference, a call without a model",
    ),
]


@pytest.mark.parametrize(("name", "scope", "sent", "expected"), CALLS)
def test_a_call(name: str, scope: str, sent: Span, expected: dict[str, Any]) -> None:
    got = columns_of(sent, scope)
    assert (got["Convention"], got["SpanClass"]) == (name, "call")
    assert {column: got[column] for column in expected} == expected


def test_every_convention_has_a_call_in_some_table() -> None:
    elsewhere = {"otel-genai", "openllmetry", "observatory", "generic", "logfire"}
    here = {param.values[0] for param in CALLS}
    assert {c.name for c in convention.load().all} == here | elsewhere


USAGE = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}


@pytest.mark.parametrize(
    ("name", "scope", "attributes", "span_class"),
    [
        ("x", "gen_ai", {"gen_ai.operation.name": "agent_step"}, "wrapper"),
        ("x", "gen_ai", {"gen_ai.operation.name": "invoke_agent"}, "agent"),
        ("call_llm", "gcp.vertex.agent", {}, "wrapper"),
        ("call_llm", "somebody.else", {}, None),
        ("invocation", "gcp.vertex.agent", {}, "workflow"),
        ("Received Proxy Server Request", "litellm", {"llm.request.type": "completion"}, "wrapper"),
        ("raw_gen_ai_request", "litellm", {"gen_ai.operation.name": "chat"}, "wrapper"),
        ("x", "strands.telemetry.tracer", {"event_loop.cycle_id": "1"}, None),
        ("execute_event_loop_cycle", "strands.telemetry.tracer", {}, "wrapper"),
        (
            "x",
            "strands.telemetry.tracer",
            {"gen_ai.operation.name": "execute_event_loop_cycle"},
            "wrapper",
        ),
        ("handle_responses", "codex_cli_rs", {}, "wrapper"),
        ("session_task.turn", "codex_exec", {}, "wrapper"),
        ("handle_responses", "", {}, None),
        ("x", "", {"mlflow.spanType": '"AGENT"'}, "agent"),
        ("x", "", {"mlflow.spanType": "TOOL"}, "tool"),
        ("x", "", {"mlflow.spanType": "{"}, None),
        ("agent run", "pydantic-ai", {"gen_ai.aggregated_usage.input_tokens": 10}, "agent"),
        ("running 2 tools", "pydantic-ai", {}, "chain"),
        (
            "chat gpt-4o",
            "pydantic-ai",
            {"logfire.span_type": "pending_span", "gen_ai.operation.name": "chat"},
            "pending",
        ),
        ("claude_code.interaction", "", {}, "agent"),
        ("claude_code.tool", "", {"span.type": "tool"}, "wrapper"),
        ("claude_code.tool.execution", "", {}, "tool"),
        ("x", "", {"mastra.span.type": "model_step", "gen_ai.operation.name": "chat"}, "wrapper"),
        ("llm_node", "livekit-agents", {}, "wrapper"),
        ("llm_request_run", "livekit-agents", {}, "wrapper"),
        ("provider attempt 2", "openrouter", {}, "wrapper"),
        ("x", "", {"gen_ai.operation.name": "framework"}, "wrapper"),
        ("AutoFunctionInvocationLoop", "semantic_kernel.utils", {}, "wrapper"),
        ("x", "", {"gen_ai.agent.name": "gemini-cli", "gen_ai.operation.name": "llm_call"}, "call"),
        ("x", "", {"gen_ai.agent.name": "other", "gen_ai.operation.name": "llm_call"}, None),
        ("x", "", {"genkit:metadata:subtype": "flow", "genkit:name": "f"}, "workflow"),
        ("x", "langfuse-sdk", {"langfuse.observation.type": "span"}, None),
        ("x", "gen_ai", {}, None),
    ],
)
def test_what_stands_around_calls_is_no_call(
    name: str, scope: str, attributes: dict[str, Any], span_class: str | None
) -> None:
    got = columns_of(span(USAGE | attributes, name=name), scope)
    assert got["SpanClass"] == span_class


DIMENSIONS = ["UserId", "SessionId", "Feature", "Tenant", "Environment", "Agent", "Tool"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(
            {
                "langfuse.user.id": "u",
                "langfuse.session.id": "s",
                "langfuse.trace.name": "n",
                "langfuse.trace.metadata.feature": '"f"',
                "langfuse.trace.metadata.tenant": "t",
                "langfuse.trace.metadata.environment": "e",
            },
            ["u", "s", "f", "t", "e", None, None],
            id="langfuse",
        ),
        pytest.param(
            {
                "langsmith.metadata.user_id": "u",
                "langsmith.metadata.conversation_id": "s",
                "langsmith.metadata.feature": "f",
                "langsmith.metadata.tenant_id": "t",
                "langsmith.metadata.environment": "e",
                "langsmith.trace.session_id": "the project",
            },
            ["u", "s", "f", "t", "e", None, None],
            id="langsmith",
        ),
        pytest.param(
            {
                "metadata.user_api_key_end_user_id": "u",
                "metadata.user_api_key_user_id": "the key's owner",
                "metadata.session_id": "s",
                "metadata.user_api_key_alias": "f",
                "metadata.user_api_key_team_alias": "t",
            },
            ["u", "s", "f", "t", None, None, None],
            id="litellm legacy",
        ),
        pytest.param(
            {
                "traceloop.association.properties.user_id": "u",
                "traceloop.association.properties.thread_id": "s",
                "traceloop.association.properties.feature": "f",
                "traceloop.association.properties.tenant_id": "t",
                "traceloop.association.properties.environment": "e",
                "traceloop.workflow.name": "w",
                "traceloop.span.kind": "agent",
                "traceloop.entity.name": "planner",
            },
            ["u", "s", "f", "t", "e", "planner", None],
            id="openllmetry, an agent",
        ),
        pytest.param(
            {"traceloop.span.kind": "tool", "traceloop.entity.name": "search"},
            [None, None, None, None, None, None, "search"],
            id="openllmetry, a tool",
        ),
        pytest.param(
            {"ai.settings.context.userId": "u", "ai.settings.context.tenantId": "t"},
            ["u", None, None, "t", None, None, None],
            id="vercel-ai-sdk-7",
        ),
        pytest.param(
            {"langfuse.user.id": "own", "user.id": "general", "tenant.id": "t"},
            ["own", None, None, "t", None, None, None],
            id="a convention's own names before general ones",
        ),
    ],
)
def test_dimensions(attributes: dict[str, Any], expected: list[str | None]) -> None:
    got = columns_of(span(OTEL_CALL | attributes))
    assert [got[column] for column in DIMENSIONS] == expected


def test_names_on_the_resource_are_a_conventions_own_too() -> None:
    resource = {"langfuse.environment": "prod", "langfuse.release": "r1"}
    got = columns_of(span({"langfuse.observation.type": "generation"}), resource=resource)
    assert (got["Environment"], got["Release"]) == ("prod", "r1")
    assert columns_of(span(OTEL_CALL), resource=resource)["Environment"] is None


def test_a_pending_span_is_counted_nowhere() -> None:
    pending = span(OTEL_CALL | {"logfire.span_type": "pending_span"})
    observe = Observer(label_values_max=10, series_max=100)
    observe(PRICE(NORMALISE(decode(request(pending)))))
    assert not any(observe.series.values())


def test_cached_tokens_out_of_an_adk_answer() -> None:
    answer = {
        "model_version": "gemini-2.5-flash",
        "usage_metadata": {"cached_content_token_count": 800},
    }
    sent = span(
        {
            "gen_ai.usage.input_tokens": 1000,
            "gcp.vertex.agent.llm_response": json.dumps(answer),
        },
        name="call_llm",
    )
    got = columns_of(sent, "gcp.vertex.agent")
    assert (got["TokensInput"], got["TokensCacheRead"]) == (200, 800)
    assert got["ResponseModel"] == "gemini-2.5-flash"


def test_a_key_with_conditions_counts_only_where_they_hold() -> None:
    names = {"genkit:name": "search"}
    kinds = ["tool", "flow", "model", "other"]
    batch = NORMALISE(
        decode(
            request(
                *(
                    span(names | {"genkit:metadata:subtype": kind}, number=n + 1)
                    for n, kind in enumerate(kinds)
                )
            )
        )
    )
    assert batch["Tool"].to_pylist() == ["search", None, None, None]
    assert batch["Feature"].to_pylist() == [None, "search", None, None]
    assert batch["RequestModel"].to_pylist() == [None, None, "search", None]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="an array"),
        pytest.param("null", id="null"),
        pytest.param("7", id="a number"),
        pytest.param('{"input": "many"}', id="words"),
        pytest.param('{"input": true}', id="a boolean"),
        pytest.param('{"input": {"input": 1}}', id="an object"),
        pytest.param('{"input": -5}', id="negative"),
        pytest.param('{"input": NaN}', id="NaN"),
        pytest.param('{"input": 1e999}', id="infinite"),
        pytest.param('{"input": ' + "9" * 5000 + "}", id="too many digits"),
        pytest.param('{"a":' * 50_000, id="nesting without end"),
        pytest.param('{"input": 5, "x": "' + "y" * 300_000 + '"}', id="too long"),
    ],
)
def test_usage_in_json_that_is_none_is_not_known(text: str) -> None:
    key = "langfuse.observation.usage_details"
    sound = span({key: '{"input": 5}'}, number=2)
    batch = NORMALISE(decode(request(span({key: text}), sound)))
    assert batch["TokensInput"].to_pylist() == [None, 5]


@pytest.mark.parametrize(
    ("usage", "count"),
    [
        pytest.param('{"input": 5}', 5, id="a number"),
        pytest.param('{"input": "5"}', 5, id="a number as text"),
        pytest.param('{"input": 5.0}', 5, id="a double"),
        pytest.param('{"input": null, "input_tokens": 6}', 6, id="the next name"),
        pytest.param('{"input_tokens": 6, "input": 5}', 5, id="the first name in our order"),
        pytest.param({"input": 5}, 5, id="a nested attribute"),
    ],
)
def test_usage_in_json(usage: Any, count: int) -> None:
    got = columns_of(span({"langfuse.observation.usage_details": usage}))
    assert got["TokensInput"] == count


@pytest.mark.parametrize(
    ("when", "ttft_ns"),
    [
        pytest.param("2026-11-21T12:00:00.250Z", 250 * MS, id="UTC"),
        pytest.param('"2026-11-21T12:00:00.250Z"', 250 * MS, id="in quotes"),
        pytest.param("2026-11-21T13:00:00.250+01:00", 250 * MS, id="another zone"),
        pytest.param("2026-11-21T12:00:00.250", 250 * MS, id="no zone"),
        pytest.param("2026-11-21T12:00:00Z", 0, id="at once"),
        pytest.param("2026-11-21T11:59:59Z", None, id="before the start"),
        pytest.param("2026-11-21T12:00:02Z", None, id="after the end"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before all time"),
        pytest.param("9999-12-31T00:00:00Z", None, id="after all time"),
        pytest.param("noon", None, id="words"),
        pytest.param("2" * 1000, None, id="too long"),
    ],
)
def test_a_point_in_time_is_a_time_since_the_start(when: str, ttft_ns: int | None) -> None:
    sent = span({"langfuse.observation.completion_start_time": when}, start_ns=1_795_262_400 * NS)
    assert columns_of(sent)["TimeToFirstToken"] == ttft_ns
