"""LangSmith's tracing exported over OTLP: its OpenAI wrapper, its decorator, and LangChain."""

import contextlib
from typing import Any

import langsmith
import openai
from common import PROMPT, SYSTEM, get_weather, run, trace_to_collector
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langsmith.wrappers import wrap_openai

MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]
provider = trace_to_collector()
tracer = langsmith.Client(
    tracing_mode="otel", otel_tracer_provider=provider, auto_batch_tracing=True
)
langsmith.configure(client=tracer, enabled=True)


def chat(model: str = "gpt-4o-mini", **options: Any) -> Any:
    """Ask once, through the wrapper."""
    client = wrap_openai(openai.OpenAI(max_retries=0))
    return client.chat.completions.create(model=model, messages=MESSAGES, **options)


def stream() -> None:
    """Ask, and read the answer as it comes."""
    for _ in chat(stream=True, stream_options={"include_usage": True}):
        pass


def error() -> None:
    """Be refused."""
    with contextlib.suppress(openai.RateLimitError):
        chat()


@langsmith.traceable(run_type="chain", metadata={"thread_id": "thread-1"})
def chain() -> None:
    """Ask twice within one function."""
    chat()
    chat()


def agent() -> None:
    """Let a LangChain agent call a tool."""
    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)
    weather = create_agent(model, [tool(get_weather)], system_prompt=SYSTEM, name="weather")
    weather.invoke({"messages": [("human", PROMPT)]})


run(
    {
        "chat": chat,
        "stream": stream,
        "cache_read": chat,
        "reasoning": lambda: chat("o4-mini"),
        "chain": chain,
        "agent": agent,
        "error": error,
    }
)
tracer.flush()
provider.force_flush()
