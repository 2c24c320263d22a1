"""OpenAI's chat completions, responses and embeddings. Input includes cached tokens."""

import json
from collections.abc import Iterator
from typing import Any

from tests.golden.stand_in.turns import CREATED, Answer, Charge, Finish, Turn, dated, pieces

Json = dict[str, Any]

_FINISH = {Finish.STOP: "stop", Finish.LENGTH: "length", Finish.TOOL: "tool_calls"}
_ERROR = {
    "message": "Rate limit reached for requests. Please try again in 1s.",
    "type": "requests",
    "param": None,
    "code": "rate_limit_exceeded",
}
_DIMENSIONS = 4


def chat(body: Json, turn: Turn, serial: int) -> Answer:
    """Answer `POST /v1/chat/completions`."""
    charge = _charge(body, turn, "chat", _FINISH[turn.finish])
    if turn.refused:
        return _refuse(charge)
    if body.get("stream"):
        return _stream(_chat_events(body, turn, serial), charge)
    choice = {
        "index": 0,
        "message": _message(turn, serial),
        "logprobs": None,
        "finish_reason": _FINISH[turn.finish],
    }
    whole = _head(body, serial, "chat.completion")
    return _whole({**whole, "choices": [choice], "usage": _chat_usage(turn)}, charge)


def embeddings(body: Json, turn: Turn, _serial: int) -> Answer:
    """Answer `POST /v1/embeddings`."""
    charge = _charge(body, turn, "embeddings", None)
    if turn.refused:
        return _refuse(charge)
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    encoded = body.get("encoding_format") == "base64"
    vector: Any = "AACAPwAAAAAAAAAAAAAAAA==" if encoded else [1.0, *[0.0] * (_DIMENSIONS - 1)]
    data = [{"object": "embedding", "index": n, "embedding": vector} for n in range(len(texts))]
    usage = {"prompt_tokens": turn.usage.input, "total_tokens": turn.usage.input}
    return _whole(
        {"object": "list", "data": data, "model": charge.response_model, "usage": usage}, charge
    )


def responses(body: Json, turn: Turn, serial: int) -> Answer:
    """Answer `POST /v1/responses`."""
    charge = _charge(body, turn, "chat", None)  # A status, but no finish reason.
    if turn.refused:
        return _refuse(charge)
    if body.get("stream"):
        return _stream(_response_events(body, turn, serial), charge)
    return _whole(_response(body, turn, serial, "completed"), charge)


def _charge(body: Json, turn: Turn, operation: str, finish: str | None) -> Charge:
    return Charge(
        provider="openai",
        operation=operation,
        request_model=body["model"],
        response_model=None if turn.refused else dated(body["model"]),
        streamed=bool(body.get("stream")),
        usage=turn.usage,
        finish_reason=None if turn.refused else finish,
        status=turn.status,
    )


def _whole(body: Json, charge: Charge) -> Answer:
    return Answer(chunks=iter([json.dumps(body).encode()]), charge=charge)


def _refuse(charge: Charge) -> Answer:
    body = json.dumps({"error": _ERROR}).encode()
    return Answer(chunks=iter([body]), charge=charge, headers={"retry-after": "1"})


def _stream(events: Iterator[bytes], charge: Charge) -> Answer:
    return Answer(chunks=events, charge=charge, content_type="text/event-stream")


def _data(event: Json) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


def _head(body: Json, serial: int, kind: str) -> Json:
    return {
        "id": f"chatcmpl-golden{serial:04}",
        "object": kind,
        "created": CREATED,
        "model": dated(body["model"]),
        "service_tier": "default",
        "system_fingerprint": "fp_golden0001",
    }


def _message(turn: Turn, serial: int) -> Json:
    if turn.tool is None:
        return {"role": "assistant", "content": turn.text, "refusal": None}
    return {"role": "assistant", "content": None, "tool_calls": [_tool(turn, serial)]}


def _tool(turn: Turn, serial: int) -> Json:
    if turn.tool is None:
        raise ValueError("the turn asks for no tool")
    function = {"name": turn.tool.name, "arguments": json.dumps(dict(turn.tool.arguments))}
    return {"id": f"call_golden{serial:04}", "type": "function", "function": function}


def _chat_events(body: Json, turn: Turn, serial: int) -> Iterator[bytes]:
    head = _head(body, serial, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**head, "choices": [choice], "usage": None})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    if turn.tool:
        yield chunk({"tool_calls": [{"index": 0, **_tool(turn, serial)}]})
    for text in pieces(turn.text):
        yield chunk({"content": text})
    yield chunk({}, _FINISH[turn.finish])
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _data({**head, "choices": [], "usage": _chat_usage(turn)})
    yield b"data: [DONE]\n\n"


def _chat_usage(turn: Turn) -> Json:
    usage = turn.usage
    prompt = usage.input + usage.cache_read
    completion = usage.output + usage.reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _response(body: Json, turn: Turn, serial: int, status: str) -> Json:
    done = status == "completed"
    return {
        "id": f"resp_golden{serial:04}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": dated(body["model"]),
        "output": _output(turn, serial) if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "service_tier": "default",
        "usage": _response_usage(turn) if done else None,
    }


def _output(turn: Turn, serial: int) -> list[Json]:
    thoughts: list[Json] = []
    if turn.thinking:
        summary = [{"type": "summary_text", "text": turn.thinking}]
        thoughts = [{"type": "reasoning", "id": f"rs_golden{serial:04}", "summary": summary}]
    if turn.tool:
        call = {
            "type": "function_call",
            "id": f"fc_golden{serial:04}",
            "call_id": f"call_golden{serial:04}",
            "name": turn.tool.name,
            "arguments": json.dumps(dict(turn.tool.arguments)),
            "status": "completed",
        }
        return [*thoughts, call]
    text = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
    message = {
        "type": "message",
        "id": f"msg_golden{serial:04}",
        "status": "completed",
        "role": "assistant",
        "content": [text],
    }
    return [*thoughts, message]


def _response_events(body: Json, turn: Turn, serial: int) -> Iterator[bytes]:
    number = 0

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        data = {"type": kind, "sequence_number": number - 1, **fields}
        return f"event: {kind}\n".encode() + _data(data)

    yield event("response.created", response=_response(body, turn, serial, "in_progress"))
    for index, item in enumerate(_output(turn, serial)):
        yield event("response.output_item.added", output_index=index, item=_opened(item))
        if item["type"] == "message":
            where = {"item_id": item["id"], "output_index": index, "content_index": 0}
            part = {**item["content"][0], "text": ""}
            yield event("response.content_part.added", **where, part=part)
            for text in pieces(turn.text):
                yield event("response.output_text.delta", **where, delta=text, logprobs=[])
            yield event("response.output_text.done", **where, text=turn.text, logprobs=[])
            yield event("response.content_part.done", **where, part=item["content"][0])
        elif item["type"] == "function_call":
            where = {"item_id": item["id"], "output_index": index}
            arguments = item["arguments"]
            yield event("response.function_call_arguments.delta", **where, delta=arguments)
            yield event(
                "response.function_call_arguments.done",
                **where,
                arguments=arguments,
                name=item["name"],
            )
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=_response(body, turn, serial, "completed"))


def _opened(item: Json) -> Json:
    """Return an output item as a stream announces it: still empty."""
    empty: Json = {"message": {"content": []}, "function_call": {"arguments": ""}}.get(
        item["type"], {}
    )
    return {**item, **empty, "status": "in_progress"}


def _response_usage(turn: Turn) -> Json:
    usage = turn.usage
    return {
        "input_tokens": usage.input + usage.cache_read,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output + usage.reasoning,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.cache_read + usage.output + usage.reasoning,
    }
