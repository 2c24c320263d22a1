"""Strands agents on OpenAI's API, with their own tracing."""

import contextlib

from common import PROMPT, SYSTEM, get_weather, run, trace_to_collector
from strands import Agent, tool
from strands.models.openai import OpenAIModel


def agent() -> Agent:
    """Return an agent that says nothing on the terminal."""
    return Agent(
        model=OpenAIModel(model_id="gpt-4o-mini", client_args={"max_retries": 0}),
        name="weather",
        system_prompt=SYSTEM,
        tools=[tool(get_weather)],
        callback_handler=None,
        retry_strategy=None,
    )


def twice() -> None:
    """Ask one agent twice: its own usage grows over its life."""
    weather = agent()
    weather(PROMPT)
    weather(PROMPT)


def error() -> None:
    """Be refused."""
    with contextlib.suppress(Exception):
        agent()(PROMPT)


trace_to_collector()
run(
    {
        "agent": lambda: agent()(PROMPT),
        "chat": lambda: agent()(PROMPT),
        "cache_read": lambda: agent()(PROMPT),
        "twice": twice,
        "error": error,
    }
)
