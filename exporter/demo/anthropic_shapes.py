"""The JSON that Anthropic's API answers with, field for field."""

from exporter.demo.answers import Finish, Usage
from exporter.demo.faults import Fault, Refusal
from exporter.demo.json_text import Json
from exporter.demo.stand_in import Reply

RETRY_AFTER_S = 2

_STOP_REASON = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
    Finish.FILTERED: "refusal",
}


def message(reply: Reply) -> Json:
    """Return a whole message."""
    return {
        **_message(reply),
        "content": [*content(reply)],
        "stop_reason": _STOP_REASON[reply.answer.finish],
        "usage": _usage(reply.usage, reply.usage.output),
    }


def content(reply: Reply) -> list[Json]:
    """Return the content blocks of an answer: its text, then its tool call if there is one."""
    blocks: list[Json] = [{"type": "text", "text": reply.answer.text}]
    if reply.answer.tool:
        blocks.append(
            {
                "type": "tool_use",
                "id": f"toolu_{reply.serial}",
                "name": reply.answer.tool.name,
                "input": dict(reply.answer.tool_arguments),
            }
        )
    return blocks


def message_start(reply: Reply) -> Json:
    """Return the event that opens a stream. Its output count is only what was sent so far."""
    usage = _usage(reply.usage, min(reply.usage.output, 1))
    return {"type": "message_start", "message": {**_message(reply), "usage": usage}}


def block_start(index: int, block: Json) -> Json:
    """Return the event that opens a content block, which is still empty."""
    empty: Json = {"text": ""} if block["type"] == "text" else {"input": {}}
    return {"type": "content_block_start", "index": index, "content_block": block | empty}


def message_delta(reply: Reply) -> Json:
    """Return the event that says why the model stopped, with the final usage."""
    return {
        "type": "message_delta",
        "delta": {"stop_reason": _STOP_REASON[reply.answer.finish], "stop_sequence": None},
        "usage": {"output_tokens": reply.usage.output},
    }


def error(refused: Refusal) -> Json:
    """Return the body of an error."""
    match refused.fault:
        case Fault.RATE_LIMIT:
            kind = "rate_limit_error"
            text = (
                "This request would exceed your organization's rate limit of 50 requests a minute."
            )
        case Fault.OVERLOADED:
            kind, text = "overloaded_error", "Overloaded"
        case None:
            kind, text = "not_found_error", f"model: {refused.model}"
        case _:
            kind, text = "api_error", "Internal server error"
    return {
        "type": "error",
        "error": {"type": kind, "message": text},
        "request_id": "req_demo_refused",
    }


def error_headers(refused: Refusal) -> dict[str, str]:
    """Return the headers that come with an error."""
    headers = {"request-id": "req_demo_refused"}
    if refused.fault is Fault.RATE_LIMIT:
        headers["retry-after"] = str(RETRY_AFTER_S)
    return headers


def _message(reply: Reply) -> Json:
    return {
        "id": f"msg_{reply.serial}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _usage(usage: Usage, output_tokens: int) -> Json:
    """Return usage Anthropic's way: the input count leaves out both kinds of cached tokens."""
    return {
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
