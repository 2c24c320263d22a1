"""Bedrock's Converse and InvokeModel (Claude). Input leaves cached tokens out in both."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.golden.stand_in import anthropic
from tests.golden.stand_in.turns import Answer, Charge, Turn, pieces

Json = dict[str, Any]

_EVENT_STREAM = "application/vnd.amazon.eventstream"
_STRING_HEADER = 7


def converse(model: str, turn: Turn, _serial: int, *, streamed: bool) -> Answer:
    """Answer `POST /model/MODEL/converse` and `converse-stream`."""
    charge = _charge(model, turn, streamed=streamed)
    if turn.refused:
        return _refuse(charge)
    if streamed:
        return Answer(chunks=_converse_events(turn), charge=charge, content_type=_EVENT_STREAM)
    message = {"role": "assistant", "content": _blocks(turn)}
    body = {
        "output": {"message": message},
        "stopReason": anthropic.STOP_REASON[turn.finish],
        "usage": _usage(turn),
        "metrics": {"latencyMs": 40},
    }
    return Answer(chunks=iter([json.dumps(body).encode()]), charge=charge)


def invoke(model: str, turn: Turn, serial: int, *, streamed: bool) -> Answer:
    """Answer `POST /model/MODEL/invoke` and `invoke-with-response-stream` with Claude's JSON."""
    claude = model.rpartition("anthropic.")[2].removesuffix("-v1:0")
    charge = _charge(model, turn, streamed=streamed, response_model=claude)
    if turn.refused:
        return _refuse(charge)
    if streamed:
        chunks = _invoke_events(claude, turn, serial)
        return Answer(chunks=chunks, charge=charge, content_type=_EVENT_STREAM)
    usage = turn.usage
    headers = {
        "x-amzn-bedrock-input-token-count": str(usage.input),
        "x-amzn-bedrock-output-token-count": str(usage.output + usage.reasoning),
    }
    body = json.dumps(anthropic.message(claude, turn, serial)).encode()
    return Answer(chunks=iter([body]), charge=charge, headers=headers)


def _charge(model: str, turn: Turn, *, streamed: bool, response_model: str | None = None) -> Charge:
    return Charge(
        provider="aws.bedrock",
        operation="chat",
        request_model=model,
        response_model=None if turn.refused else response_model,
        streamed=streamed,
        usage=turn.usage,
        finish_reason=None if turn.refused else anthropic.STOP_REASON[turn.finish],
        status=turn.status,
        reasoning_told=False,
    )


def _refuse(charge: Charge) -> Answer:
    body = json.dumps({"message": "Too many requests, please wait before trying again."})
    headers = {"x-amzn-errortype": "ThrottlingException"}
    return Answer(chunks=iter([body.encode()]), charge=charge, headers=headers)


def _blocks(turn: Turn) -> list[Json]:
    if turn.tool is None:
        return [{"text": turn.text}]
    use = {"toolUseId": "tooluse_golden", "name": turn.tool.name}
    return [{"toolUse": {**use, "input": dict(turn.tool.arguments)}}]


def _usage(turn: Turn) -> Json:
    usage = turn.usage
    output = usage.output + usage.reasoning
    return {
        "inputTokens": usage.input,
        "outputTokens": output,
        "totalTokens": usage.input + usage.cache_read + usage.cache_write + output,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": usage.cache_write,
    }


def _converse_events(turn: Turn) -> Iterator[bytes]:
    yield _frame("messageStart", {"role": "assistant"})
    for text in pieces(turn.text):
        yield _frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
    yield _frame("contentBlockStop", {"contentBlockIndex": 0})
    yield _frame("messageStop", {"stopReason": anthropic.STOP_REASON[turn.finish]})
    yield _frame("metadata", {"usage": _usage(turn), "metrics": {"latencyMs": 40}})


def _invoke_events(claude: str, turn: Turn, serial: int) -> Iterator[bytes]:
    for event in anthropic.stream_events(claude, turn, serial):
        if event["type"] == "message_stop":
            event["amazon-bedrock-invocationMetrics"] = {
                "inputTokenCount": turn.usage.input,
                "outputTokenCount": turn.usage.output + turn.usage.reasoning,
            }
        yield _frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})


def _frame(event: str, payload: Json) -> bytes:
    """Return one message of AWS's event stream encoding."""
    headers = _headers(
        {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    framed = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return framed + struct.pack(">I", zlib.crc32(framed))


def _headers(headers: Mapping[str, str]) -> bytes:
    return b"".join(
        bytes([len(name)])
        + name.encode()
        + struct.pack(">BH", _STRING_HEADER, len(value))
        + value.encode()
        for name, value in headers.items()
    )
