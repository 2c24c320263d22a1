"""The Anthropic SDK under the instrumentations named. The environment switches its own tracing."""

import contextlib
from typing import Any

import anthropic
from common import PROMPT, SYSTEM, arguments, get_weather, instrument, run, trace_to_collector

TOOL: Any = {
    "name": "get_weather",
    "description": "Tell the weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
ASKED: list[Any] = [{"role": "user", "content": PROMPT}]
CACHED: Any = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
MODEL = "claude-haiku-4-5"
MAX_TOKENS = 2048


def client() -> anthropic.Anthropic:
    """Return a client that takes a refusal for an answer."""
    return anthropic.Anthropic(max_retries=0)


def chat(**options: Any) -> None:
    """Ask once."""
    asked = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": ASKED, "system": SYSTEM}
    client().messages.create(**{**asked, **options})


def create_stream(**options: Any) -> None:
    """Ask with `stream=True`, and read the events as they come."""
    asked: Any = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": ASKED, "stream": True}
    for _ in client().messages.create(**{**asked, **options}):
        pass


def stream_helper() -> None:
    """Ask with the `stream` helper, and read the text as it comes."""
    with client().messages.stream(model=MODEL, max_tokens=MAX_TOKENS, messages=ASKED) as stream:
        for _ in stream.text_stream:
            pass


def tool() -> None:
    """Let the model call a tool, and tell it the result."""
    create = client().messages.create
    asked: Any = {"model": MODEL, "max_tokens": MAX_TOKENS, "tools": [TOOL]}
    first = create(**asked, messages=ASKED)
    call = first.content[0]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": get_weather("Lisbon")}
    history = [
        *ASKED,
        {"role": "assistant", "content": [call.model_dump(exclude_none=True)]},
        {"role": "user", "content": [result]},
    ]
    create(**asked, messages=history)


def error() -> None:
    """Be refused."""
    with contextlib.suppress(anthropic.RateLimitError):
        chat()


trace_to_collector()
instrument(arguments())
run(
    {
        "chat": chat,
        "stream": create_stream,
        "stream_helper": stream_helper,
        "cache_both": lambda: chat(system=CACHED),
        "cache_small": lambda: chat(system=CACHED),
        "cache_stream": lambda: create_stream(system=CACHED),
        "reasoning": lambda: chat(thinking={"type": "enabled", "budget_tokens": 1024}),
        "tool": tool,
        "error": error,
    }
)
