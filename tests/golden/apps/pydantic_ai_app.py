"""Pydantic AI with its own instrumentation, with or without Logfire."""

import contextlib

from common import PROMPT, STAND_IN, SYSTEM, arguments, get_weather, run, trace_to_collector
from pydantic_ai import Agent, Embedder
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider


def ask(agent: Agent) -> None:
    """Ask once."""
    agent.run_sync(PROMPT)


async def stream() -> None:
    """Ask, and read the answer as it comes."""
    agent = Agent("openai-chat:gpt-4o-mini", name="geographer", system_prompt=SYSTEM)
    async with agent.run_stream(PROMPT) as result:
        async for _ in result.stream_text(delta=True):
            pass


def openai_agent(model: str = "gpt-4o-mini") -> Agent:
    """Return an agent on OpenAI's chat completions."""
    return Agent(f"openai-chat:{model}", name="geographer", system_prompt=SYSTEM)


def gemini_agent() -> Agent:
    """Return an agent on Gemini."""
    provider = GoogleProvider(api_key="golden", base_url=STAND_IN)
    return Agent(GoogleModel("gemini-2.5-flash", provider=provider), name="geographer")


def tool() -> None:
    """Let an agent call a tool."""
    agent = Agent("openai-chat:gpt-4o-mini", name="weather", tools=[get_weather])
    agent.run_sync(PROMPT)


def error() -> None:
    """Be refused."""
    with contextlib.suppress(ModelHTTPError):
        ask(openai_agent())


trace_to_collector()
if "logfire" in arguments():
    import logfire

    logfire.configure(send_to_logfire=False, console=False)
    logfire.instrument_pydantic_ai()
else:
    Agent.instrument_all()
    Embedder.instrument_all()
run(
    {
        "chat": lambda: ask(openai_agent()),
        "stream": stream,
        "cache_read": lambda: ask(openai_agent()),
        "reasoning": lambda: ask(openai_agent("o4-mini")),
        "agent": tool,
        "embeddings": lambda: Embedder("openai:text-embedding-3-small").embed_query_sync(PROMPT),
        "error": error,
        "anthropic_cache": lambda: ask(Agent("anthropic:claude-haiku-4-5", name="geographer")),
        "anthropic_cache_small": lambda: ask(
            Agent("anthropic:claude-haiku-4-5", name="geographer")
        ),
        "gemini_reasoning": lambda: ask(gemini_agent()),
    }
)
