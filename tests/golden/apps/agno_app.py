"""An Agno agent on OpenAI's API, under the instrumentations named."""

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from common import PROMPT, SYSTEM, arguments, get_weather, instrument, run, trace_to_collector


def agent() -> Agent:
    """Return an agent with one tool."""
    return Agent(
        name="weather",
        model=OpenAIChat(id="gpt-4o-mini", max_retries=0),
        system_message=SYSTEM,
        tools=[get_weather],
        telemetry=False,
    )


def stream() -> None:
    """Ask, and read the answer as it comes."""
    for _ in agent().run(PROMPT, stream=True):
        pass


trace_to_collector()
instrument(arguments())
run(
    {
        "agent": lambda: agent().run(PROMPT),
        "chat": lambda: agent().run(PROMPT),
        "cache_read": lambda: agent().run(PROMPT),
        "stream": stream,
    }
)
