"""The JSON that OpenAI's API answers with, field for field."""

import json
import time
from collections.abc import Sequence

from pydantic import JsonValue

from exporter.demo.answers import Finish, Usage
from exporter.demo.faults import Fault, Refusal
from exporter.demo.json_text import Json
from exporter.demo.stand_in import Reply

RETRY_AFTER_S = 1

_CACHE_STEP = 128  # OpenAI reports cached tokens in whole steps.
_FINISH = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL: "tool_calls",
    Finish.FILTERED: "content_filter",
}


def chat_completion(reply: Reply) -> Json:
    """Return a whole chat completion."""
    tool_called = reply.answer.tool is not None
    message: Json = {
        "role": "assistant",
        "content": None if tool_called else reply.answer.text,
        "refusal": None,
        "annotations": [],
    }
    if tool_called:
        message["tool_calls"] = [tool(reply)]
    choice: Json = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _FINISH[reply.answer.finish],
    }
    return {**_chat(reply, "chat.completion"), "choices": [choice], "usage": _chat_usage(reply)}


def chat_chunk(reply: Reply, delta: Json, *, finished: bool = False) -> Json:
    """Return one chunk of a streamed chat completion."""
    reason = _FINISH[reply.answer.finish] if finished else None
    choice: Json = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**_chat(reply, "chat.completion.chunk"), "choices": [choice], "usage": None}


def chat_usage_chunk(reply: Reply) -> Json:
    """Return the last chunk of a stream that was asked to include its usage."""
    return {**_chat(reply, "chat.completion.chunk"), "choices": [], "usage": _chat_usage(reply)}


def tool(reply: Reply) -> Json:
    """Return the tool call of an answer."""
    arguments = json.dumps(dict(reply.answer.tool_arguments))
    name = reply.answer.tool.name if reply.answer.tool else ""
    return {
        "id": f"call_{reply.serial}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def embeddings(model: str, vectors: Sequence[JsonValue], usage: Usage) -> Json:
    """Return one embedding for each text of the request."""
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
    }


def response(reply: Reply) -> Json:
    """Return an answer of the responses API."""
    incomplete = {Finish.LENGTH: "max_output_tokens", Finish.FILTERED: "content_filter"}
    reason = incomplete.get(reply.answer.finish)
    content: Json = {"type": "output_text", "text": reply.answer.text, "annotations": []}
    message: Json = {
        "type": "message",
        "id": f"msg_{reply.serial}",
        "status": "incomplete" if reason else "completed",
        "role": "assistant",
        "content": [content],
    }
    return {
        "id": f"resp_{reply.serial}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "metadata": {},
        "model": reply.model,
        "output": [message],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": _response_usage(reply.usage),
    }


def error(refused: Refusal) -> Json:
    """Return the body of an error."""
    match refused.fault:
        case Fault.RATE_LIMIT:
            text = (
                f"Rate limit reached for {refused.model} in organization org-demo on requests per "
                "min (RPM): Limit 500, Used 500, Requested 1. "
                f"Please try again in {RETRY_AFTER_S}s."
            )
            kind, code = "requests", "rate_limit_exceeded"
        case None:
            text = f"The model `{refused.model}` does not exist or you do not have access to it."
            kind, code = "invalid_request_error", "model_not_found"
        case _:
            text = "The server had an error while processing your request. Sorry about that!"
            kind, code = "server_error", None
    return {"error": {"message": text, "type": kind, "param": None, "code": code}}


def error_headers(refused: Refusal) -> dict[str, str]:
    """Return the headers that come with an error."""
    if refused.fault is not Fault.RATE_LIMIT:
        return {}
    return {
        "retry-after": str(RETRY_AFTER_S),
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": f"{RETRY_AFTER_S}s",
    }


def _chat(reply: Reply, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{reply.serial}",
        "object": kind,
        "created": int(time.time()),
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": "fp_demo000001",
    }


def _chat_usage(reply: Reply) -> Json:
    usage = reply.usage
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": _cached(usage), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _response_usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": _cached(usage)},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _cached(usage: Usage) -> int:
    return usage.cache_read // _CACHE_STEP * _CACHE_STEP
