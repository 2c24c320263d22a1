"""The OpenAI SDK, under whatever instrumentation the harness names."""

import contextlib
from typing import Any

import openai
from common import PROMPT, SYSTEM, arguments, get_weather, instrument, run, trace_to_collector

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]


def client() -> openai.OpenAI:
    """Return a client that takes a refusal for an answer."""
    return openai.OpenAI(max_retries=0)


def chat(model: str = "gpt-4o-mini", **options: Any) -> None:
    """Ask once."""
    client().chat.completions.create(model=model, messages=MESSAGES, **options)


def stream(**options: Any) -> None:
    """Ask, and read the answer as it comes."""
    chunks = client().chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, **options
    )
    for _ in chunks:
        pass


def tool() -> None:
    """Let the model call a tool, and tell it the result."""
    create = client().chat.completions.create
    asked = create(model="gpt-4o-mini", messages=MESSAGES, tools=[TOOL])
    call = asked.choices[0].message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": get_weather("Lisbon")}
    history = [*MESSAGES, asked.choices[0].message.model_dump(exclude_none=True), result]
    create(model="gpt-4o-mini", messages=history, tools=[TOOL])


def embeddings() -> None:
    """Embed one text."""
    client().embeddings.create(model="text-embedding-3-small", input=PROMPT)


def responses(model: str = "gpt-4o-mini") -> None:
    """Ask through the responses API."""
    client().responses.create(model=model, input=PROMPT, instructions=SYSTEM)


def responses_stream() -> None:
    """Ask through the responses API, and read the answer as it comes."""
    for _ in client().responses.create(model="gpt-4o-mini", input=PROMPT, stream=True):
        pass


def error() -> None:
    """Be refused."""
    with contextlib.suppress(openai.RateLimitError):
        chat()


async def async_stream() -> None:
    """Stream with the asynchronous client."""
    chunks = await openai.AsyncOpenAI(max_retries=0).chat.completions.create(
        model="gpt-4o-mini",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    async for _ in chunks:
        pass


trace_to_collector()
instrument(arguments())
run(
    {
        "chat": chat,
        "stream": lambda: stream(stream_options={"include_usage": True}),
        "stream_no_usage": stream,
        "async_stream": async_stream,
        "cache_read": chat,
        "reasoning": lambda: chat("o4-mini", reasoning_effort="low"),
        "tool": tool,
        "embeddings": embeddings,
        "responses": responses,
        "responses_stream": responses_stream,
        "responses_reasoning": lambda: responses("o4-mini"),
        "error": error,
    }
)
