"""Gemini's generateContent. Input includes cached tokens; candidates leave thoughts out."""

import json
from collections.abc import Iterator
from typing import Any

from tests.golden.stand_in.turns import Answer, Charge, Finish, Turn, pieces

Json = dict[str, Any]

_FINISH = {Finish.STOP: "STOP", Finish.LENGTH: "MAX_TOKENS", Finish.TOOL: "STOP"}
_ERROR = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
    }
}


def generate(model: str, turn: Turn, serial: int, *, streamed: bool) -> Answer:
    """Answer `models/MODEL:generateContent`, or its streaming sibling with `alt=sse`."""
    charge = Charge(
        provider="gcp.gemini",
        operation="chat",
        request_model=model,
        response_model=None if turn.refused else model,
        streamed=streamed,
        usage=turn.usage,
        finish_reason=None if turn.refused else _FINISH[turn.finish],
        status=turn.status,
    )
    if turn.refused:
        return Answer(chunks=iter([json.dumps(_ERROR).encode()]), charge=charge)
    if streamed:
        events = (f"data: {json.dumps(e)}\r\n\r\n".encode() for e in _events(model, turn, serial))
        return Answer(chunks=events, charge=charge, content_type="text/event-stream")
    whole = _response(model, turn, serial, _parts(turn))
    return Answer(chunks=iter([json.dumps(whole).encode()]), charge=charge)


def embed(model: str, turn: Turn, _serial: int) -> Answer:
    """Answer `models/MODEL:batchEmbedContents`, which tells no usage."""
    charge = Charge(
        provider="gcp.gemini",
        operation="embeddings",
        request_model=model,
        response_model=None,
        streamed=False,
        usage=turn.usage,
        finish_reason=None,
        status=turn.status,
    )
    body = {"embeddings": [{"values": [1.0, 0.0, 0.0, 0.0]}]}
    return Answer(chunks=iter([json.dumps(body).encode()]), charge=charge)


def _parts(turn: Turn) -> list[Json]:
    thoughts: list[Json] = [{"text": turn.thinking, "thought": True}] if turn.thinking else []
    if turn.tool:
        call = {"name": turn.tool.name, "args": dict(turn.tool.arguments)}
        return [*thoughts, {"functionCall": call}]
    return [*thoughts, {"text": turn.text}]


def _events(model: str, turn: Turn, serial: int) -> Iterator[Json]:
    *first, last = _parts(turn)
    deltas = [{"text": text} for text in pieces(last["text"])] if "text" in last else [last]
    parts = [*first, *deltas]
    for part in parts[:-1]:
        yield _response(model, turn, serial, [part], finished=False)
    yield _response(model, turn, serial, parts[-1:])


def _response(
    model: str, turn: Turn, serial: int, parts: list[Json], *, finished: bool = True
) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finished:
        candidate["finishReason"] = _FINISH[turn.finish]
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(turn, finished=finished),
        "modelVersion": model,
        "responseId": f"golden{serial:04}",
    }


def _usage(turn: Turn, *, finished: bool) -> Json:
    """Return the usage so far: Gemini repeats it on every chunk, and only the last is whole."""
    usage = turn.usage
    prompt = usage.input + usage.cache_read
    told: Json = {"promptTokenCount": prompt, "totalTokenCount": prompt}
    if usage.cache_read:
        told["cachedContentTokenCount"] = usage.cache_read
    if finished:
        told["candidatesTokenCount"] = usage.output
        told["totalTokenCount"] += usage.output + usage.reasoning
        if usage.reasoning:
            told["thoughtsTokenCount"] = usage.reasoning
    return told
