"""Anthropic's messages. Input leaves cached tokens out; output includes thinking."""

import json
from collections.abc import Iterator
from typing import Any

from tests.golden.stand_in.turns import Answer, Charge, Finish, Turn, dated, pieces

Json = dict[str, Any]

STOP_REASON = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
}
_REQUEST_ID = "req_golden0001"
_ERROR = {
    "type": "error",
    "error": {
        "type": "rate_limit_error",
        "message": "This request would exceed your organization's rate limit.",
    },
    "request_id": _REQUEST_ID,
}


def messages(body: Json, turn: Turn, serial: int) -> Answer:
    """Answer `POST /v1/messages`."""
    charge = Charge(
        provider="anthropic",
        operation="chat",
        request_model=body["model"],
        response_model=None if turn.refused else dated(body["model"]),
        streamed=bool(body.get("stream")),
        usage=turn.usage,
        finish_reason=None if turn.refused else STOP_REASON[turn.finish],
        status=turn.status,
    )
    headers = {"request-id": _REQUEST_ID}
    if turn.refused:
        refusal = iter([json.dumps(_ERROR).encode()])
        return Answer(chunks=refusal, charge=charge, headers={**headers, "retry-after": "1"})
    if body.get("stream"):
        events = map(_event, stream_events(body["model"], turn, serial))
        return Answer(
            chunks=events, charge=charge, headers=headers, content_type="text/event-stream"
        )
    whole = json.dumps(message(body["model"], turn, serial)).encode()
    return Answer(chunks=iter([whole]), charge=charge, headers=headers)


def message(model: str, turn: Turn, serial: int) -> Json:
    """Return a whole message, as Bedrock's InvokeModel answers it too."""
    return {
        **_head(model, serial),
        "content": _blocks(turn, serial),
        "stop_reason": STOP_REASON[turn.finish],
        "usage": _usage(turn, turn.usage.output + turn.usage.reasoning),
    }


def stream_events(model: str, turn: Turn, serial: int) -> Iterator[Json]:
    """Return the events of a streamed message. Usage comes in two halves, as it really does."""
    yield {"type": "message_start", "message": {**_head(model, serial), "usage": _usage(turn, 1)}}
    for index, block in enumerate(_blocks(turn, serial)):
        yield {"type": "content_block_start", "index": index, "content_block": _opened(block)}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": STOP_REASON[turn.finish], "stop_sequence": None},
        "usage": _usage_so_far(turn, turn.usage.output + turn.usage.reasoning),
    }
    yield {"type": "message_stop"}


def _head(model: str, serial: int) -> Json:
    return {
        "id": f"msg_golden{serial:04}",
        "type": "message",
        "role": "assistant",
        "model": dated(model),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(turn: Turn, serial: int) -> list[Json]:
    blocks: list[Json] = []
    if turn.thinking:
        blocks.append({"type": "thinking", "thinking": turn.thinking, "signature": "golden"})
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    if turn.tool:
        called = {"name": turn.tool.name, "input": dict(turn.tool.arguments)}
        blocks.append({"type": "tool_use", "id": f"toolu_golden{serial:04}", **called})
    return blocks


def _opened(block: Json) -> Json:
    """Return a block as a stream announces it: still empty."""
    empty: Json = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }[block["type"]]
    return {**block, **empty}


def _deltas(block: Json) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for text in pieces(block["text"]):
                yield {"type": "text_delta", "text": text}
        case "thinking":
            yield {"type": "thinking_delta", "thinking": block["thinking"]}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case _:
            yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _usage(turn: Turn, output: int) -> Json:
    return {
        **_usage_so_far(turn, output),
        "cache_creation": {
            "ephemeral_5m_input_tokens": turn.usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "service_tier": "standard",
    }


def _usage_so_far(turn: Turn, output: int) -> Json:
    """Return the counts of a stream's last delta, which repeats the input's counts."""
    usage = turn.usage
    counts: Json = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": output,
    }
    if usage.reasoning and output > usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
