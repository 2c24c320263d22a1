"""A CrewAI crew on OpenAI's API, under the instrumentations named."""

from common import PROMPT, SYSTEM, arguments, instrument, run, trace_to_collector
from common import get_weather as tell
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool


@tool("get_weather")
def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return tell(city)


def crew() -> None:
    """Let a crew of one call a tool."""
    weather = Agent(
        role="weather",
        goal="Tell the weather.",
        backstory=SYSTEM,
        llm=LLM(model="openai/gpt-4o-mini", max_retries=0),
        tools=[get_weather],
    )
    task = Task(description=PROMPT, expected_output="One sentence.", agent=weather)
    Crew(agents=[weather], tasks=[task]).kickoff()


trace_to_collector()
instrument(arguments())
run({"agent": crew})
