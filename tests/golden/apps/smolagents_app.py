"""A smolagents agent on OpenAI's API, under the instrumentations named."""

import contextlib

from common import PROMPT, SYSTEM, arguments, instrument, run, trace_to_collector
from common import get_weather as tell
from smolagents import OpenAIServerModel, ToolCallingAgent, tool


@tool
def get_weather(city: str) -> str:
    """Tell the weather in a city.

    Args:
        city: The name of the city.
    """
    return tell(city)


def agent() -> None:
    """Let an agent call a tool, and end with a final answer."""
    model = OpenAIServerModel("gpt-4o-mini", client_kwargs={"max_retries": 0})
    weather = ToolCallingAgent(tools=[get_weather], model=model, verbosity_level=0)
    # Its own prompt is 7 kB, which every span would repeat.
    weather.prompt_templates["system_prompt"] = SYSTEM
    weather.run(PROMPT)


def error() -> None:
    """Be refused."""
    model = OpenAIServerModel("gpt-4o-mini", retry=False, client_kwargs={"max_retries": 0})
    with contextlib.suppress(Exception):
        model([{"role": "user", "content": [{"type": "text", "text": PROMPT}]}])


trace_to_collector()
instrument(arguments())
run({"agent": agent, "error": error})
