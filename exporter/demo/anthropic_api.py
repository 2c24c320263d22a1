"""The part of Anthropic's HTTP API that the demo uses: messages, whole and streamed."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, JsonValue

from exporter.demo import anthropic_shapes as shapes
from exporter.demo.answers import Prompt, Tool
from exporter.demo.faults import Refusal
from exporter.demo.json_text import Json, pieces, required_arguments, text_of
from exporter.demo.stand_in import Reply, StandIn


class Message(BaseModel):
    """One message of a request."""

    role: str
    content: JsonValue


class MessagesRequest(BaseModel):
    """A messages request, as far as the stand-in looks at it."""

    model: str
    messages: list[Message]
    max_tokens: int
    system: JsonValue = None
    stream: bool = False
    tools: list[Json] = []


def anthropic_router(stand_in: StandIn) -> APIRouter:
    """Serve Anthropic's paths below `/v1` from the given stand-in."""
    router = APIRouter(prefix="/v1")

    async def messages(body: MessagesRequest, request: Request) -> Response:
        reply = await stand_in.reply(_prompt(body), request.headers, writes_billed=True)
        if isinstance(reply, Refusal):
            headers = shapes.error_headers(reply)
            return JSONResponse(shapes.error(reply), reply.status, headers=headers)
        headers = {"request-id": f"req_{reply.serial}"}
        if body.stream:
            events = _events(stand_in, reply)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        await stand_in.wait(reply.answer.token_s * reply.answer.output_tokens)
        return JSONResponse(shapes.message(reply), headers=headers)

    router.add_api_route("/messages", messages, methods=["POST"], response_model=None)
    return router


def _prompt(body: MessagesRequest) -> Prompt:
    contents = [message.content for message in body.messages]
    return Prompt(
        model=body.model,
        text=text_of(body.system) + "".join(map(text_of, contents)),
        cacheable=_marked_for_cache(body.system),
        tokens_max=body.max_tokens,
        tools=tuple(map(_tool, body.tools)),
        tool_results=sum(map(_tool_results, contents)),
    )


def _marked_for_cache(system: JsonValue) -> str:
    """Return the system prompt up to and with its last block that has a cache mark."""
    if not isinstance(system, list):
        return ""
    marked = [
        n for n, block in enumerate(system) if isinstance(block, dict) and "cache_control" in block
    ]
    return text_of(system[: marked[-1] + 1]) if marked else ""


def _tool_results(content: JsonValue) -> int:
    if not isinstance(content, list):
        return 0
    return sum(isinstance(part, dict) and part.get("type") == "tool_result" for part in content)


def _tool(offered: Json) -> Tool:
    arguments = required_arguments(offered.get("input_schema"))
    return Tool(name=str(offered.get("name")), arguments=arguments)


async def _events(stand_in: StandIn, reply: Reply) -> AsyncIterator[str]:
    yield _event(shapes.message_start(reply))
    for index, block in enumerate(shapes.content(reply)):
        yield _event(shapes.block_start(index, block))
        yield _event({"type": "ping"})
        async for delta in _deltas(stand_in, reply, block):
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    yield _event(shapes.message_delta(reply))
    yield _event({"type": "message_stop"})


async def _deltas(stand_in: StandIn, reply: Reply, block: Json) -> AsyncIterator[Json]:
    if block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        return
    for text, tokens in pieces(reply.answer.text):
        await stand_in.wait(reply.answer.token_s * tokens)
        yield {"type": "text_delta", "text": text}


def _event(data: Json) -> str:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"
