"""Whatever convention keeps them where, prompts and answers come out in one form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.genai.messages import content as module
from exporter.genai.messages.content import COLUMNS, ContentLimits, content_columns
from exporter.genai.messages.keys import Side, place_of
from exporter.spans.batch import SpanBatch
from exporter.spans.rows import rows
from exporter.spans.schema import CONTENT_COLUMNS, CONTENT_TABLE
from tests.support.otlp import event, request, span
from tests.unit.pipeline import chat, decode, normalise, price

LIMITS = ContentLimits()


def said(role: str, *parts: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a message; a plain string is a text part."""
    listed = [{"type": "text", "content": p} if isinstance(p, str) else p for p in parts]
    return {"role": role, "parts": listed, **more}


def call(name: str | None, arguments: Any, call_id: str | None = None) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def answer(response: Any, call_id: str | None = None) -> dict[str, Any]:
    return {"type": "tool_call_response", "id": call_id, "response": response}


def read(*spans: Span, limits: ContentLimits = LIMITS, at: int = 0) -> dict[str, Any]:
    """Return one span's content columns, with JSON read, of those that are known."""
    columns = content_columns(normalise(*spans), limits)
    values = {name: columns[name][at].as_py() for name in COLUMNS}
    return {
        name: json.loads(value) if name in COLUMNS[3:] else value
        for name, value in values.items()
        if value is not None
    }


def whole(value: Any) -> dict[str, Any]:
    """Return what a raw JSON request says."""
    return read(chat({"input.value": json.dumps(value), "openinference.span.kind": "LLM"}))


def answered(value: Any) -> list[Any]:
    """Return the messages of a raw JSON answer."""
    key = "output.value"
    return read(chat({key: json.dumps(value), "openinference.span.kind": "LLM"}))["OutputMessages"]


PARIS = {"city": "Paris"}
FORM = [
    said("user", "Weather in Paris?"),
    said("assistant", call("get_weather", PARIS, "c1")),
    said("tool", answer("sunny", "c1")),
]
FORM_TEXT = 'user: Weather in Paris?\nassistant: get_weather({"city":"Paris"})\ntool: sunny'
TOOL = {"type": "function", "name": "get_weather", "description": "d", "parameters": {"a": 1}}
OPENAI_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": json.dumps(PARIS)},
}
OPENAI = [
    {"role": "user", "content": "Weather in Paris?"},
    {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
]
ANTHROPIC = [
    {"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "c1", "name": "get_weather", "input": PARIS}],
    },
    {
        "role": "tool",
        "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}],
    },
]
VERCEL = [
    {"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "tool-call", "toolCallId": "c1", "toolName": "get_weather", "input": PARIS}
        ],
    },
    {
        "role": "tool",
        "content": [
            {
                "type": "tool-result",
                "toolCallId": "c1",
                "toolName": "get_weather",
                "output": {"type": "text", "value": "sunny"},
            }
        ],
    },
]
OPENLLMETRY = {
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Weather in Paris?",
    "gen_ai.prompt.1.role": "assistant",
    "gen_ai.prompt.1.tool_calls.0.id": "c1",
    "gen_ai.prompt.1.tool_calls.0.name": "get_weather",
    "gen_ai.prompt.1.tool_calls.0.arguments": json.dumps(PARIS),
    "gen_ai.prompt.2.role": "tool",
    "gen_ai.prompt.2.tool_call_id": "c1",
    "gen_ai.prompt.2.content": "sunny",
}
OPENINFERENCE = {
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.contents.0.message_content.type": "text",
    "llm.input_messages.0.message.contents.0.message_content.text": "Weather in Paris?",
    "llm.input_messages.1.message.role": "assistant",
    "llm.input_messages.1.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "get_weather",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments": json.dumps(PARIS),
    "llm.input_messages.2.message.role": "tool",
    "llm.input_messages.2.message.tool_call_id": "c1",
    "llm.input_messages.2.message.content": "sunny",
    "input.value": json.dumps({"messages": OPENAI}),
}
LANGCHAIN = [
    [
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "messages", "HumanMessage"],
            "kwargs": {"content": "Weather in Paris?", "type": "human"},
        },
        {
            "type": "ai",
            "content": "",
            "tool_calls": [{"name": "get_weather", "args": PARIS, "id": "c1"}],
        },
        {"type": "tool", "data": {"content": "sunny", "tool_call_id": "c1"}},
    ]
]


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"gen_ai.input.messages": json.dumps(FORM)}, id="OpenTelemetry, JSON"),
        pytest.param({"gen_ai.input.messages": FORM}, id="OpenTelemetry, structured"),
        pytest.param(OPENLLMETRY, id="OpenLLMetry, indexed keys"),
        pytest.param(OPENINFERENCE, id="OpenInference, indexed keys"),
        pytest.param({"ai.prompt.messages": json.dumps(VERCEL)}, id="Vercel"),
        pytest.param({"ai.prompt": json.dumps({"messages": VERCEL})}, id="Vercel, wrapper"),
        pytest.param({"input.value": json.dumps({"messages": OPENAI})}, id="OpenAI, raw"),
        pytest.param({"input.value": json.dumps({"messages": ANTHROPIC})}, id="Anthropic, raw"),
        pytest.param({"gen_ai.prompt": json.dumps({"messages": OPENAI})}, id="LangSmith"),
        pytest.param(
            {"traceloop.entity.input": json.dumps({"inputs": {"messages": LANGCHAIN}})},
            id="OpenLLMetry, entity of LangChain",
        ),
    ],
)
def test_the_same_conversation_is_the_same_in_every_convention(attributes: Any) -> None:
    found = read(chat(attributes))
    assert found["InputMessages"] == FORM
    assert found["Input"] == FORM_TEXT


@pytest.mark.parametrize("key", [
    "gcp.vertex.agent.llm_request", "langfuse.observation.input", "mlflow.spanInputs",
    "gen_ai.request.messages", "langwatch.input", "lmnr.span.input", "gen_ai.entity.input",
    "pydantic_ai.all_messages", "lk.chat_ctx", "input",
])  # fmt: skip
def test_a_conversation_is_read_wherever_it_is_whole(key: str) -> None:
    assert place_of(Side.INPUT, key) is not None


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            {
                "model": "claude",
                "system": [{"type": "text", "text": "Be brief."}],
                "messages": [{"role": "user", "content": "Hi"}],
                "tools": [{"name": "get_weather", "description": "d", "input_schema": {"a": 1}}],
            },
            {"System": "Be brief.", "Input": "Hi", "ToolDefinitions": [TOOL]},
            id="Anthropic",
        ),
        pytest.param(
            {
                "model": "gpt",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hi"},
                ],
                "tools": [
                    {"type": "function", "function": {k: TOOL[k] for k in TOOL.keys() - {"type"}}}
                ],
            },
            {"System": "Be brief.", "Input": "Hi", "ToolDefinitions": [TOOL]},
            id="OpenAI chat",
        ),
        pytest.param(
            {"model": "gpt", "instructions": "Be brief.", "input": "Hi", "tools": [TOOL]},
            {"System": "Be brief.", "Input": "Hi", "ToolDefinitions": [TOOL]},
            id="OpenAI responses",
        ),
        pytest.param(
            {
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
                "config": {
                    "tools": [
                        {
                            "functionDeclarations": [
                                {"name": "get_weather", "description": "d", "parameters": {"a": 1}}
                            ]
                        }
                    ]
                },
            },
            {"System": "Be brief.", "Input": "Hi", "ToolDefinitions": [TOOL]},
            id="Gemini",
        ),
        pytest.param(
            {
                "modelId": "m",
                "system": [{"text": "Be brief."}],
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "toolConfig": {
                    "tools": [
                        {
                            "toolSpec": {
                                "name": "get_weather",
                                "description": "d",
                                "inputSchema": {"json": {"a": 1}},
                            }
                        }
                    ]
                },
            },
            {"System": "Be brief.", "Input": "Hi", "ToolDefinitions": [TOOL]},
            id="Bedrock Converse",
        ),
    ],
)
def test_a_raw_request_holds_system_input_and_tools(request_: Any, expected: Any) -> None:
    found = whole(request_)
    messages = found.pop("InputMessages")
    assert found == expected
    assert messages == [said("system", "Be brief."), said("user", "Hi")]


REASONED = [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Sunny."}]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param(
            {
                "id": "r1",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "tool_calls",
                        "message": {
                            "role": "assistant",
                            "content": "Sunny.",
                            "reasoning_content": "Hm.",
                            "tool_calls": [OPENAI_CALL],
                        },
                    }
                ],
            },
            [
                said(
                    "assistant",
                    *REASONED,
                    call("get_weather", PARIS, "c1"),
                    finish_reason="tool_calls",
                )
            ],
            id="OpenAI chat",
        ),
        pytest.param(
            {
                "id": "r1",
                "output": [
                    {
                        "type": "reasoning",
                        "id": "rs",
                        "summary": [{"type": "summary_text", "text": "Hm."}],
                    },
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "Sunny."}],
                    },
                    {
                        "type": "function_call",
                        "id": "fc",
                        "call_id": "c1",
                        "name": "get_weather",
                        "arguments": json.dumps(PARIS),
                    },
                ],
            },
            [said("assistant", *REASONED, call("get_weather", PARIS, "c1"))],
            id="OpenAI responses",
        ),
        pytest.param(
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "x"},
                    {"type": "text", "text": "Sunny."},
                ],
                "stop_reason": "end_turn",
            },
            [said("assistant", *REASONED, finish_reason="end_turn")],
            id="Anthropic",
        ),
        pytest.param(
            {
                "candidates": [
                    {
                        "content": {
                            "role": "model",
                            "parts": [{"text": "Hm.", "thought": True}, {"text": "Sunny."}],
                        },
                        "finishReason": "STOP",
                    }
                ]
            },
            [said("assistant", *REASONED, finish_reason="STOP")],
            id="Gemini",
        ),
        pytest.param(
            {
                "output": {"message": {"role": "assistant", "content": [{"text": "Sunny."}]}},
                "stopReason": "end_turn",
            },
            [said("assistant", "Sunny.")],
            id="Bedrock Converse",
        ),
        pytest.param(
            {"generations": [[{"text": "Sunny.", "message": {"type": "ai", "content": "Sunny."}}]]},
            [said("assistant", "Sunny.")],
            id="LangChain",
        ),
        pytest.param(
            {"choices": [{"text": "Sunny.", "finish_reason": "stop"}]},
            [said("assistant", "Sunny.", finish_reason="stop")],
            id="OpenAI completions",
        ),
        pytest.param(
            {"content": {"role": "model", "parts": [{"text": "Sunny."}]}, "finish_reason": "STOP"},
            [said("assistant", "Sunny.", finish_reason="STOP")],
            id="Google ADK",
        ),
        pytest.param(
            {"answer": "Sunny.", "sources": [1]},
            [said("assistant", '{"answer": "Sunny.", "sources": [1]}')],
            id="not known: the text as it stands",
        ),
    ],
)
def test_a_raw_answer_becomes_messages(response: Any, expected: Any) -> None:
    assert answered(response) == expected


BASE64 = "QUJD" * 100


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "bytes": 300},
            id="OpenAI, data URL",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
            {"type": "uri", "modality": "image", "uri": "https://a/b.png"},
            id="OpenAI, URL",
        ),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}},
            {"type": "blob", "modality": "audio", "mime_type": "wav", "bytes": 300},
            id="OpenAI, audio",
        ),
        pytest.param(
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/jpeg", "data": BASE64},
            },
            {"type": "blob", "modality": "image", "mime_type": "image/jpeg", "bytes": 300},
            id="Anthropic",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "text", "data": "Terms."}},
            {"type": "text", "content": "Terms."},
            id="Anthropic, document of text",
        ),
        pytest.param(
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": BASE64},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "bytes": 300},
            id="OpenTelemetry",
        ),
        pytest.param(
            {"inlineData": {"mimeType": "image/png", "data": BASE64}},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "bytes": 300},
            id="Gemini",
        ),
        pytest.param(
            {"image": {"format": "png", "source": {"bytes": BASE64}}},
            {"type": "blob", "modality": "image", "mime_type": "png", "bytes": 300},
            id="Bedrock",
        ),
        pytest.param(
            {"type": "file", "file_id": "f1"},
            {"type": "file", "modality": "document", "file_id": "f1"},
            id="a file by its id",
        ),
        pytest.param(
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image", "source": {"type": "base64", "data": BASE64}},
                ],
            },
            answer(
                [
                    {"type": "text", "content": "a"},
                    {"type": "blob", "modality": "image", "bytes": 300},
                ],
                "c1",
            ),
            id="in a tool's answer",
        ),
        pytest.param(
            {"type": "hologram", "depth": 3}, {"type": "hologram", "depth": 3}, id="a new type"
        ),
        pytest.param({"depth": 3}, {"type": "text", "content": '{"depth":3}'}, id="no part at all"),
    ],
)
def test_a_part_keeps_what_it_says_and_loses_what_it_carries(content: Any, expected: Any) -> None:
    found = whole({"messages": [{"role": "user", "content": [content]}]})
    assert found["InputMessages"] == [said("user", expected)]
    assert BASE64 not in found["Input"]


def test_openinference_image() -> None:
    prefix = "llm.input_messages.0.message."
    found = read(
        chat({
            f"{prefix}role": "user",
            f"{prefix}contents.0.message_content.type": "image",
            f"{prefix}contents.0.message_content.image.image.url": "data:image/png;base64,QUJD",
            f"{prefix}contents.1.message_content.type": "text",
            f"{prefix}contents.1.message_content.text": "What is it?",
        })
    )  # fmt: skip
    image = {"type": "blob", "modality": "image", "mime_type": "image/png", "bytes": 3}
    assert found["InputMessages"] == [said("user", image, "What is it?")]
    assert found["Input"] == "[image image/png]\nWhat is it?"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(
            {
                "ai.response.text": "Sunny.",
                "ai.response.reasoning": "Hm.",
                "ai.response.toolCalls": json.dumps(
                    [{"toolCallId": "c1", "toolName": "get_weather", "args": json.dumps(PARIS)}]
                ),
            },
            [said("assistant", *REASONED, call("get_weather", PARIS, "c1"))],
            id="Vercel",
        ),
        pytest.param(
            {"ai.response.object": '{"sky": "blue"}'},
            [said("assistant", '{"sky": "blue"}')],
            id="Vercel, object",
        ),
        pytest.param(
            {
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.content": "One",
                "gen_ai.completion.1.content": "Two",
            },
            [said("assistant", "One"), said("assistant", "Two")],
            id="OpenLLMetry, two choices",
        ),
        pytest.param(
            {
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": "One",
                "output.value": "{}",
            },
            [said("assistant", "One")],
            id="OpenInference",
        ),
        pytest.param(
            {"llm.choices.1.completion.text": "Two", "llm.choices.0.completion.text": "One"},
            [said("assistant", "One"), said("assistant", "Two")],
            id="OpenInference, completions",
        ),
        pytest.param(
            {
                "retrieval.documents.0.document.content": "Terms",
                "retrieval.documents.0.document.score": 0.5,
                "retrieval.documents.1.document.content": "Prices",
            },
            [said("tool", {"type": "text", "content": "Terms", "score": "0.5"}, "Prices")],
            id="documents",
        ),
        pytest.param(
            {"gen_ai.retrieval.documents": json.dumps([{"id": "d1", "content": "Terms"}])},
            [said("tool", {"type": "text", "content": "Terms", "id": "d1"})],
            id="OpenTelemetry, documents",
        ),
        pytest.param({"gen_ai.completion": "Sunny."}, [said("assistant", "Sunny.")], id="text"),
        pytest.param(
            {"gen_ai.output.messages": "[]", "output.value": "Sunny."},
            [said("assistant", "Sunny.")],
            id="an empty place hides no other",
        ),
        pytest.param({"llm.completion": "Sunny."}, [said("assistant", "Sunny.")], id="observatory"),
    ],
)
def test_answers(attributes: Any, expected: Any) -> None:
    assert read(chat(attributes))["OutputMessages"] == expected


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"gen_ai.tool.definitions": json.dumps([TOOL])}, id="OpenTelemetry, JSON"),
        pytest.param({"gen_ai.tool.definitions": [TOOL]}, id="OpenTelemetry, structured"),
        pytest.param({"ai.prompt.tools": [json.dumps(TOOL)]}, id="Vercel, texts"),
        pytest.param(
            {"llm.tools.0.tool.json_schema": json.dumps({"type": "function", "function": TOOL})},
            id="OpenInference",
        ),
        pytest.param(
            {
                "llm.request.functions.0.name": "get_weather",
                "llm.request.functions.0.description": "d",
                "llm.request.functions.0.parameters": '{"a": 1}',
            },
            id="OpenLLMetry",
        ),
    ],
)
def test_tool_definitions(attributes: Any) -> None:
    assert read(chat(attributes)) == {"ToolDefinitions": [TOOL]}


def test_system_instructions_come_first_and_have_their_own_text() -> None:
    found = read(
        chat({
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
            "gen_ai.input.messages": json.dumps([said("user", "Hi")]),
        })
    )  # fmt: skip
    assert found == {
        "System": "Be brief.",
        "Input": "Hi",
        "InputMessages": [said("system", "Be brief."), said("user", "Hi")],
    }


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "get_weather",
                "gen_ai.tool.call.id": "c1",
                "gen_ai.tool.call.arguments": PARIS,
                "gen_ai.tool.call.result": "sunny",
            },
            id="OpenTelemetry",
        ),
        pytest.param(
            {
                "openinference.span.kind": "TOOL",
                "tool.name": "get_weather",
                "tool_call.id": "c1",
                "input.value": json.dumps(PARIS),
                "output.value": "sunny",
            },
            id="OpenInference",
        ),
    ],
)
def test_a_tool_span_is_a_call_and_its_answer(attributes: Any) -> None:
    found = read(span(attributes))
    assert found["InputMessages"] == [said("assistant", call("get_weather", PARIS, "c1"))]
    assert found["OutputMessages"] == [said("tool", answer("sunny", "c1"))]
    assert (found["Input"], found["Output"]) == ('get_weather({"city":"Paris"})', "sunny")


ANSWER_EVENT = event(
    "gen_ai.choice",
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Sunny."}},
)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            [
                event("gen_ai.user.message", {"content": "Weather in Paris?"}),
                event("gen_ai.assistant.message", {"tool_calls": [OPENAI_CALL]}),
                event("gen_ai.tool.message", {"content": "sunny", "id": "c1"}),
                ANSWER_EVENT,
            ],
            id="one event for each message",
        ),
        pytest.param(
            [
                event("exception", {"exception.type": "E"}),
                event("gen_ai.user.message", {"content": '[{"text": "Weather in Paris?"}]'}),
                event("gen_ai.assistant.message", {"body": {"tool_calls": [OPENAI_CALL]}}),
                event("gen_ai.tool.message", {"content": '"sunny"', "id": "c1"}),
                event(
                    "gen_ai.choice", {"finish_reason": "stop", "message": '[{"text": "Sunny."}]'}
                ),
            ],
            id="JSON and bodies",
        ),
        pytest.param(
            [
                event("gen_ai.user.message", {
                    "gen_ai.event.content": json.dumps({"content": "Weather in Paris?"})
                }),
                event("gen_ai.assistant.message", {
                    "gen_ai.event.content": json.dumps({"tool_calls": [OPENAI_CALL]})
                }),
                event("gen_ai.tool.message", {
                    "gen_ai.event.content": json.dumps({"content": "sunny", "id": "c1"})
                }),
                event("gen_ai.choice", {
                    "gen_ai.event.content": json.dumps(
                        {"message": {"content": "Sunny."}, "finish_reason": "stop", "index": 0}
                    )
                }),
            ],
            id="Azure AI Inference",
        ),
        pytest.param(
            [
                event(
                    "gen_ai.client.inference.operation.details",
                    {
                        "gen_ai.input.messages": FORM,
                        "gen_ai.output.messages": json.dumps([
                            said("assistant", "Sunny.", finish_reason="stop")
                        ]),
                    },
                )
            ],
            id="one event for all",
        ),
        pytest.param(
            [
                event("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(OPENAI)}),
                event("gen_ai.content.completion", {"gen_ai.completion": json.dumps([
                    {"role": "assistant", "content": "Sunny.", "finish_reason": "stop"}
                ])}),
            ],
            id="prompt and completion",
        ),
    ],
)  # fmt: skip
def test_span_events(events: list[Span.Event]) -> None:
    found = read(chat(number=1), chat(number=2, events=events), at=1)
    assert found["InputMessages"] == FORM
    assert found["OutputMessages"] == [said("assistant", "Sunny.", finish_reason="stop")]


def test_events_without_content_say_nothing() -> None:
    bare = [
        event("gen_ai.user.message", {"gen_ai.system": "openai"}),
        event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "a"}}),
    ]
    assert read(chat(events=bare)) == {}


def test_a_whole_conversation_is_asked_up_to_its_last_answer() -> None:
    history = [*FORM, said("assistant", "Sunny.")]
    batch = _content_only({"pydantic_ai.all_messages": json.dumps(history)})
    columns = content_columns(batch, LIMITS)
    assert json.loads(columns["InputMessages"][0].as_py()) == FORM
    assert columns["Output"][0].as_py() == "Sunny."


def _content_only(attributes: dict[str, Any]) -> SpanBatch:
    """Return a batch all of whose attributes are content, whatever the conventions say."""
    batch = normalise(span(attributes))
    bare = {k: v for k, v in batch.columns.items() if k not in COLUMNS}
    return replace(batch, content=decode(request(span(attributes))).attributes, columns=bare)


def test_a_text_that_the_table_does_not_know_is_taken_from_the_column() -> None:
    batch = normalise(chat({"gen_ai.prompt": "Hi"}))
    found = content_columns(replace(batch, content=None), LIMITS)
    assert found["Input"].to_pylist() == ["Hi"]


# Limits -----------------------------------------------------------------------------------------


def test_a_text_that_is_cut_says_so_and_its_messages_are_whole() -> None:
    limits = ContentLimits(text_chars_max=10)
    found = read(chat({"gen_ai.prompt": "x" * 11, "gen_ai.completion": "y" * 10}), limits=limits)
    assert found["Input"] == "x" * 10 + " [cut after 10 characters]"
    assert found["Output"] == "y" * 10
    assert found["InputMessages"] == [said("user", "x" * 11)]


def test_of_too_many_messages_the_last_are_kept() -> None:
    asked = json.dumps([said("user", str(number)) for number in range(5)])
    found = read(chat({"gen_ai.input.messages": asked}), limits=ContentLimits(messages_max=2))
    mark = {"type": "cut", "content": "[3 earlier messages left out]"}
    assert found["InputMessages"] == [said("", mark), said("user", "3"), said("user", "4")]
    assert found["Input"] == "[3 earlier messages left out]\nuser: 3\nuser: 4"


def test_what_is_nested_too_deep_stays_text() -> None:
    value: Any = {"messages": [{"role": "user", "content": "needle"}]}
    for _ in range(30):
        value = {"inputs": value}
    (found,) = whole(value)["InputMessages"]
    assert found == said("user", json.dumps(value))


# Rows -------------------------------------------------------------------------------------------


def test_content_rows_are_of_spans_with_attributes_or_events() -> None:
    events = [event("gen_ai.user.message", {"content": "Hi"})]
    batch = price(chat(number=1), chat(number=2, events=events))
    batch = batch.with_columns(content_columns(batch, LIMITS))
    table = rows(batch).tables[CONTENT_TABLE]
    assert table.schema.names == [column.name for column in CONTENT_COLUMNS]
    (row,) = table.to_pylist()
    assert (row["SpanId"], row["Input"], row["Attributes"]) == (f"{2:016x}", "Hi", [])
    assert rows(price(chat())).tables[CONTENT_TABLE].num_rows == 0


# Properties -------------------------------------------------------------------------------------

TEXT = st.text(max_size=20)
WORDS = TEXT | st.sampled_from([
    "messages", "role", "content", "parts", "type", "text", "tool_calls", "function", "arguments",
    "choices", "message", "output", "input", "contents", "candidates", "image", "source", "data",
    "kwargs", "id", "name", "generations", "system", "tools", "value", "inputs", "thinking", "json",
    "reasoning", "url", "image_url", "functionCall", "response", "summary", "prompt", "model",
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=15,
)
SHAPED = st.recursive(
    JSON
    | st.sampled_from(["text", "image", "user", "tool", "function_call", "reasoning", "human"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)
KEYS = st.sampled_from([
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
    "gen_ai.tool.definitions", "gen_ai.prompt", "gen_ai.prompt.0.content", "gen_ai.prompt.0",
    "gen_ai.prompt.0.tool_calls.0.name", "gen_ai.prompt.0.tool_calls", "gen_ai.prompt.7.x.1.y",
    "gen_ai.completion.0.content.text", "gen_ai.completion.0.content", "gen_ai.completion.1.2.3",
    "llm.input_messages.0.message.contents.0.message_content.text",
    "llm.input_messages.0.message.contents", "llm.output_messages.0.message.tool_calls.0.tool_call",
    "llm.input_messages.1.message.role", "llm.tools.0.tool.json_schema", "llm.tools.0.tool",
    "ai.response.text", "ai.response.toolCalls", "input.value", "output.value", "llm.prompts.1",
    "retrieval.documents.0.document.content", "retrieval.documents.0.document.score",
    "gen_ai.retrieval.documents", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
    "pydantic_ai.all_messages", "llm.request.functions.0.name", "gen_ai.retrieval.query.text",
])  # fmt: skip
EVENTS = st.sampled_from([
    "gen_ai.user.message", "gen_ai.choice", "gen_ai.tool.message", "gen_ai.content.prompt",
    "gen_ai.client.inference.operation.details", "exception",
])  # fmt: skip
FIELDS = KEYS | st.sampled_from(["content", "message", "role", "tool_calls", "body", "id", "x"])
VALUES = SHAPED.map(json.dumps) | TEXT


@given(st.lists(st.tuples(KEYS, VALUES), max_size=6), st.lists(
    st.tuples(EVENTS, st.dictionaries(FIELDS, VALUES, max_size=3)), max_size=3
), st.booleans())  # fmt: skip
def test_nothing_raises_and_all_that_is_written_is_sound(
    attributes: list[tuple[str, str]], events: list[tuple[str, dict[str, str]]], is_tool: bool
) -> None:
    sent = [event(name, fields) for name, fields in events]
    kind = [("gen_ai.operation.name", "execute_tool")] if is_tool else []
    columns = content_columns(normalise(span([*attributes, *kind], events=sent)), LIMITS)
    assert list(columns) == list(COLUMNS)
    for name in ("InputMessages", "OutputMessages"):
        for message in json.loads(columns[name][0].as_py() or "[]"):
            assert isinstance(message["role"], str)
            assert message["parts"]
            assert all(isinstance(part["type"], str) for part in message["parts"])


SAID = st.text(st.characters(codec="utf-8", categories=("L", "N", "Zs")), min_size=1).map(
    lambda text: f"<{text}>"
)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), SAID), min_size=1, max_size=6))
def test_every_text_survives_in_every_convention(turns: list[tuple[str, str]]) -> None:
    plain = [{"role": role, "content": text} for role, text in turns]
    typed = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
    expected = [said(role, text) for role, text in turns]
    attributes: list[dict[str, Any]] = [
        {"gen_ai.input.messages": json.dumps(expected)},
        {"gen_ai.input.messages": expected},
        {"gen_ai.prompt": json.dumps(plain)},
        {"input.value": json.dumps({"messages": typed})},
        {"ai.prompt.messages": json.dumps(typed)},
        {f"gen_ai.prompt.{i}.{k}": v for i, m in enumerate(plain) for k, v in m.items()},
        {
            f"llm.input_messages.{i}.message.{k}": v
            for i, m in enumerate(plain)
            for k, v in m.items()
        },
    ]
    spans = [chat(each, number=number + 1) for number, each in enumerate(attributes)]
    columns = content_columns(normalise(*spans), LIMITS)
    for found in columns["InputMessages"].to_pylist():
        assert json.loads(found) == expected
    for found in columns["Input"].to_pylist():
        assert all(text in found for _, text in turns)


@given(st.text(min_size=1).filter(lambda text: text.strip() not in {"[]", "{}", "null", '""'}))
def test_a_text_of_no_shape_is_one_text_part(text: str) -> None:
    found = read(chat({"gen_ai.tool.definitions": "[]", "gen_ai.prompt": f"say: {text}"}))
    assert found == {"Input": f"say: {text}", "InputMessages": [said("user", f"say: {text}")]}


@given(SHAPED)
def test_a_value_of_any_shape_leaves_something(value: Any) -> None:
    text = json.dumps({"unheard_of": value})
    assert whole(json.loads(text))["InputMessages"] == [said("user", text)]


def test_a_batch_without_content_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read", None)
    columns = content_columns(normalise(chat(), chat(number=2)), LIMITS)
    assert all(column.null_count == len(column) == 2 for column in columns.values())
