"""MLflow's autologging, exported over OTLP."""

import contextlib
from typing import Any

import anthropic
import mlflow
import openai
from common import PROMPT, SYSTEM, get_weather, run
from mlflow.entities import SpanType

MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]


def chat(model: str = "gpt-4o-mini", **options: Any) -> Any:
    """Ask once."""
    create = openai.OpenAI(max_retries=0).chat.completions.create
    return create(model=model, messages=MESSAGES, **options)


def stream() -> None:
    """Ask, and read the answer as it comes."""
    for _ in chat(stream=True, stream_options={"include_usage": True}):
        pass


def claude() -> None:
    """Ask Anthropic."""
    anthropic.Anthropic(max_retries=0).messages.create(
        model="claude-haiku-4-5",
        max_tokens=256,
        system=SYSTEM,
        messages=[{"role": "user", "content": PROMPT}],
    )


@mlflow.trace(span_type=SpanType.AGENT, name="weather")
def agent() -> None:
    """Call a tool between two questions."""
    chat()
    mlflow.trace(get_weather, span_type=SpanType.TOOL)("Lisbon")
    chat()


def error() -> None:
    """Be refused."""
    with contextlib.suppress(openai.RateLimitError):
        chat()


mlflow.openai.autolog()
mlflow.anthropic.autolog()
run(
    {
        "chat": chat,
        "stream": stream,
        "cache_read": chat,
        "reasoning": lambda: chat("o4-mini"),
        "responses": lambda: openai.OpenAI().responses.create(model="gpt-4o-mini", input=PROMPT),
        "embeddings": lambda: openai.OpenAI().embeddings.create(
            model="text-embedding-3-small", input=PROMPT
        ),
        "anthropic_cache": claude,
        "anthropic_cache_small": claude,
        "agent": agent,
        "error": error,
    }
)
mlflow.flush_trace_async_logging(terminate=True)
