"""The Langfuse SDK: its OpenAI wrapper, its decorators, and usage told by hand."""

import contextlib
from typing import Any

import openai as plain
from common import PROMPT, SYSTEM, get_weather, run
from langfuse import get_client, observe, propagate_attributes
from langfuse.openai import OpenAI

MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def client() -> OpenAI:
    """Return a client that takes a refusal for an answer."""
    return OpenAI(max_retries=0)


def chat(model: str = "gpt-4o-mini", **options: Any) -> Any:
    """Ask once."""
    return client().chat.completions.create(model=model, messages=MESSAGES, **options)


def stream(**options: Any) -> None:
    """Ask, and read the answer as it comes."""
    for _ in chat(stream=True, **options):
        pass


@observe(as_type="agent", name="weather")
def agent() -> None:
    """Call a tool between two questions, for a user in a session."""
    with propagate_attributes(user_id="user-1", session_id="session-1", tags=["golden"]):
        asked = chat(tools=[TOOL])
        call = asked.choices[0].message.tool_calls[0]
        result = observe(get_weather, as_type="tool", name="get_weather")("Lisbon")
        told = {"role": "tool", "tool_call_id": call.id, "content": result}
        history = [*MESSAGES, asked.choices[0].message.model_dump(exclude_none=True), told]
        client().chat.completions.create(model="gpt-4o-mini", messages=history, tools=[TOOL])


def by_hand() -> None:
    """Tell the usage and cost of a plain call, in buckets that do not overlap."""
    langfuse = get_client()
    with langfuse.start_as_current_observation(
        name="plain", as_type="generation", model="gpt-4o-mini", input=MESSAGES
    ) as generation:
        answer = plain.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        usage = answer.usage
        cached = usage.prompt_tokens_details.cached_tokens
        generation.update(
            output=answer.choices[0].message.content,
            usage_details={
                "input": usage.prompt_tokens - cached,
                "input_cached_tokens": cached,
                "output": usage.completion_tokens,
            },
            cost_details={"input": 0.000141, "output": 0.00001, "total": 0.000151},
        )


def error() -> None:
    """Be refused."""
    with contextlib.suppress(plain.RateLimitError):
        chat()


run(
    {
        "chat": chat,
        "stream": lambda: stream(stream_options={"include_usage": True}),
        "stream_no_usage": stream,
        "cache_read": chat,
        "reasoning": lambda: chat("o4-mini"),
        "responses": lambda: client().responses.create(model="gpt-4o-mini", input=PROMPT),
        "embeddings": lambda: client().embeddings.create(
            model="text-embedding-3-small", input=PROMPT
        ),
        "agent": agent,
        "by_hand": by_hand,
        "error": error,
    }
)
get_client().flush()
