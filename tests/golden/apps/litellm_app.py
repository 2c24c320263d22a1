"""LiteLLM with its OpenTelemetry callback, or under the instrumentations named."""

import contextlib
from typing import Any

import litellm
from common import PROMPT, SYSTEM, arguments, instrument, run, trace_to_collector

MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]
LOG_WAIT_S = 10


def chat(model: str = "openai/gpt-4o-mini", **options: Any) -> None:
    """Ask once."""
    litellm.completion(model=model, messages=MESSAGES, num_retries=0, max_retries=0, **options)


def stream(model: str = "openai/gpt-4o-mini") -> None:
    """Ask, and read the answer as it comes."""
    usage = {"include_usage": True}
    answer = litellm.completion(model=model, messages=MESSAGES, stream=True, stream_options=usage)
    for _ in answer:
        pass


def error() -> None:
    """Be refused."""
    with contextlib.suppress(litellm.RateLimitError):
        chat()


def wait_for_callbacks() -> None:
    """Callbacks run on threads of LiteLLM's own."""
    from litellm.litellm_core_utils.thread_pool_executor import executor  # noqa: PLC0415

    executor.shutdown(wait=True)


trace_to_collector()
litellm.suppress_debug_info = True
if "callback" in arguments():
    litellm.callbacks = ["otel"]
instrument([name for name in arguments() if name != "callback"])


def main(ask: Any) -> Any:
    """Ask, and wait for what LiteLLM says about it."""

    def asked() -> None:
        ask()
        wait_for_callbacks()

    return asked


SCENARIOS: dict[str, Any] = {
    "chat": chat,
    "stream": stream,
    "cache_read": chat,
    "reasoning": lambda: chat("openai/o4-mini"),
    "embeddings": lambda: litellm.embedding("openai/text-embedding-3-small", input=[PROMPT]),
    "error": error,
    "anthropic_cache": lambda: chat("anthropic/claude-haiku-4-5"),
    "anthropic_cache_small": lambda: chat("anthropic/claude-haiku-4-5"),
    "anthropic_stream": lambda: stream("anthropic/claude-haiku-4-5"),
}
run({name: main(ask) for name, ask in SCENARIOS.items()})
