"""The part of OpenAI's HTTP API that the demo uses: chat, embeddings and responses."""

import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, JsonValue

from exporter.demo import openai_shapes as shapes
from exporter.demo.answers import Prompt, Tool, Usage, count_tokens, embed, scripted_usage
from exporter.demo.faults import Refusal
from exporter.demo.json_text import Json, pieces, required_arguments, text_of
from exporter.demo.stand_in import Reply, StandIn

EMBEDDING_DIMENSIONS = 1536


class ChatMessage(BaseModel):
    """One message of a chat request."""

    role: str
    content: JsonValue = None


class StreamOptions(BaseModel):
    """How a stream ends."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A chat completion request, as far as the stand-in looks at it."""

    model: str
    messages: list[ChatMessage]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    tools: list[Json] = []


class EmbeddingRequest(BaseModel):
    """An embeddings request."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"


class ResponseRequest(BaseModel):
    """A request to the responses API."""

    model: str
    input: JsonValue
    instructions: str = ""
    max_output_tokens: int | None = None


def openai_router(stand_in: StandIn) -> APIRouter:
    """Serve OpenAI's paths below `/v1` from the given stand-in."""
    router = APIRouter(prefix="/v1")

    async def chat(body: ChatRequest, request: Request) -> Response:
        reply = await stand_in.reply(_chat_prompt(body), request.headers, writes_billed=False)
        if isinstance(reply, Refusal):
            return _refuse(reply)
        if body.stream:
            events = _chat_events(stand_in, reply, include_usage=body.stream_options.include_usage)
            return StreamingResponse(events, media_type="text/event-stream")
        await stand_in.wait(reply.answer.token_s * reply.answer.output_tokens)
        return JSONResponse(shapes.chat_completion(reply))

    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
        refused = stand_in.refuse(body.model, request.headers)
        if refused is not None:
            return _refuse(refused)
        texts = [body.input] if isinstance(body.input, str) else body.input
        usage = scripted_usage(request.headers) or Usage(input=sum(map(count_tokens, texts)))
        model = await stand_in.reply_without_text(body.model, usage)
        vectors = [_encode(embed(text, EMBEDDING_DIMENSIONS), body) for text in texts]
        return JSONResponse(shapes.embeddings(model, vectors, usage))

    async def responses(body: ResponseRequest, request: Request) -> Response:
        prompt = Prompt(
            model=body.model,
            text=body.instructions + text_of(body.input),
            cacheable=body.instructions,
            tokens_max=body.max_output_tokens,
        )
        reply = await stand_in.reply(prompt, request.headers, writes_billed=False)
        if isinstance(reply, Refusal):
            return _refuse(reply)
        await stand_in.wait(reply.answer.token_s * reply.answer.output_tokens)
        return JSONResponse(shapes.response(reply))

    router.add_api_route("/chat/completions", chat, methods=["POST"], response_model=None)
    router.add_api_route("/embeddings", embeddings, methods=["POST"], response_model=None)
    router.add_api_route("/responses", responses, methods=["POST"], response_model=None)
    return router


def _chat_prompt(body: ChatRequest) -> Prompt:
    system = [m for m in body.messages if m.role in {"system", "developer"}]
    return Prompt(
        model=body.model,
        text="".join(text_of(message.content) for message in body.messages),
        cacheable="".join(text_of(message.content) for message in system),
        tokens_max=body.max_completion_tokens or body.max_tokens,
        tools=tuple(map(_tool, body.tools)),
        tool_results=sum(message.role == "tool" for message in body.messages),
    )


def _tool(offered: Json) -> Tool:
    match offered.get("function"):
        case {"name": str() as name, **rest}:
            return Tool(name=name, arguments=required_arguments(rest.get("parameters")))
        case _:
            return Tool(name="unknown", arguments=())


async def _chat_events(
    stand_in: StandIn, reply: Reply, *, include_usage: bool
) -> AsyncIterator[str]:
    yield _event(shapes.chat_chunk(reply, {"role": "assistant", "content": "", "refusal": None}))
    await stand_in.wait(reply.answer.token_s * reply.answer.reasoning_tokens)
    if reply.answer.tool:
        yield _event(shapes.chat_chunk(reply, {"tool_calls": [{"index": 0, **shapes.tool(reply)}]}))
    else:
        for text, tokens in pieces(reply.answer.text):
            await stand_in.wait(reply.answer.token_s * tokens)
            yield _event(shapes.chat_chunk(reply, {"content": text}))
    yield _event(shapes.chat_chunk(reply, {}, finished=True))
    if include_usage:
        yield _event(shapes.chat_usage_chunk(reply))
    yield "data: [DONE]\n\n"


def _event(data: Json) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _encode(vector: list[float], body: EmbeddingRequest) -> JsonValue:
    if body.encoding_format == "float":
        return list[JsonValue](vector)
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _refuse(refused: Refusal) -> Response:
    return JSONResponse(
        shapes.error(refused), refused.status, headers=shapes.error_headers(refused)
    )
