"""The OpenAI Agents SDK on OpenAI's APIs, under the instrumentations named."""

import contextlib

import openai
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from common import PROMPT, SYSTEM, arguments, get_weather, instrument, run, trace_to_collector


def agent(kind: type = OpenAIResponsesModel) -> Agent:
    """Return an agent with one tool."""
    client = openai.AsyncOpenAI(max_retries=0)
    model = kind(model="gpt-4o-mini", openai_client=client)
    tools = [function_tool(get_weather)]
    return Agent(name="weather", instructions=SYSTEM, model=model, tools=tools)


async def stream() -> None:
    """Ask, and read the answer as it comes."""
    async for _ in Runner.run_streamed(agent(), PROMPT).stream_events():
        pass


async def error() -> None:
    """Be refused."""
    with contextlib.suppress(openai.RateLimitError):
        await Runner.run(agent(), PROMPT)


trace_to_collector()
instrument(arguments())
run(
    {
        "agent": lambda: Runner.run(agent(), PROMPT),
        "agent_chat": lambda: Runner.run(agent(OpenAIChatCompletionsModel), PROMPT),
        "cache_read": lambda: Runner.run(agent(), PROMPT),
        "reasoning": lambda: Runner.run(agent(), PROMPT),
        "stream": stream,
        "error": error,
    }
)
