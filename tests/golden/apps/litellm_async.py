"""LiteLLM's asynchronous calls with its OpenTelemetry callback; version 2 traces no others."""

import asyncio
import contextlib
from typing import Any

import litellm
from common import FLUSH_MS, PROMPT, SYSTEM, run
from litellm.litellm_core_utils import litellm_logging

MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]
GPT = "openai/gpt-4o-mini"
CLAUDE = "anthropic/claude-haiku-4-5"


async def chat(model: str = GPT) -> None:
    """Ask once."""
    await litellm.acompletion(model=model, messages=MESSAGES, num_retries=0, max_retries=0)


async def stream(model: str = GPT) -> None:
    """Ask, and read the answer as it comes."""
    usage = {"include_usage": True}
    answer = await litellm.acompletion(
        model=model, messages=MESSAGES, stream=True, stream_options=usage
    )
    async for _ in answer:
        pass


async def embed() -> None:
    """Embed one text."""
    await litellm.aembedding("openai/text-embedding-3-small", input=[PROMPT])


async def error() -> None:
    """Be refused."""
    with contextlib.suppress(litellm.RateLimitError):
        await chat()


async def spans_ended(logger: Any) -> None:
    """Wait until the logger's worker has ended what it has open, but not for ever."""
    async with asyncio.timeout(FLUSH_MS / 1000):
        while logger._open_llm_calls:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)


def main(ask: Any) -> Any:
    """Ask, and wait for what LiteLLM says about it."""

    async def asked() -> None:
        await ask()
        for logger in litellm_logging._in_memory_loggers:
            await spans_ended(logger)
            logger.tracer_provider.force_flush(FLUSH_MS)

    return asked


litellm.suppress_debug_info = True
litellm.callbacks = ["otel"]
SCENARIOS: dict[str, Any] = {
    "chat": chat,
    "stream": stream,
    "cache_read": chat,
    "reasoning": lambda: chat("openai/o4-mini"),
    "embeddings": embed,
    "error": error,
    "anthropic_cache": lambda: chat(CLAUDE),
    "anthropic_cache_small": lambda: chat(CLAUDE),
    "anthropic_stream": lambda: stream(CLAUDE),
}
run({name: main(ask) for name, ask in SCENARIOS.items()})
