"""A Google ADK agent on Gemini's API, with its own tracing."""

import contextlib

from common import PROMPT, STAND_IN, SYSTEM, get_weather, run, trace_to_collector
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.google_llm import Gemini
from google.adk.runners import InMemoryRunner
from google.genai import types


async def ask(mode: StreamingMode = StreamingMode.NONE) -> None:
    """Run the agent once."""
    agent = LlmAgent(
        name="weather",
        model=Gemini(model="gemini-2.5-flash", base_url=STAND_IN),
        instruction=SYSTEM,
        tools=[get_weather],
    )
    runner = InMemoryRunner(agent, app_name="golden")
    await runner.session_service.create_session(
        app_name="golden", user_id="user-1", session_id="session-1"
    )
    message = types.Content(role="user", parts=[types.Part(text=PROMPT)])
    events = runner.run_async(
        user_id="user-1",
        session_id="session-1",
        new_message=message,
        run_config=RunConfig(streaming_mode=mode),
    )
    async for _ in events:
        pass


async def error() -> None:
    """Be refused."""
    with contextlib.suppress(Exception):
        await ask()


trace_to_collector()
run(
    {
        "chat": ask,
        "stream": lambda: ask(StreamingMode.SSE),
        "cache_read": ask,
        "reasoning": ask,
        "agent": ask,
        "error": error,
    }
)
