"""Decide what a stand-in model answers, from nothing but a seed and the text it was sent.

Two requests with the same text get the same answer, so a test can work out every number.
"""

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from exporter.demo.faults import Fault

USAGE_HEADER = "x-demo-usage"
CHARS_PER_TOKEN = 4

_REASONING_STEP = 64
_VOCABULARY = (
    "your order the parcel refund within three days please and we will check stock for size blue "
    "delivery address returns label is free after courier scan thank you for asking this item "
    "ships tomorrow from warehouse north customers say it fits well but runs small"
)
_WORDS = _VOCABULARY.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that the stand-in serves, and how fast it is."""

    dated: str
    first_token_s: float
    token_s: float
    reasons: bool = False


MODELS: Mapping[str, Model] = {
    "gpt-4o-mini": Model(dated="gpt-4o-mini-2024-07-18", first_token_s=0.45, token_s=0.011),
    "gpt-4.1-mini": Model(dated="gpt-4.1-mini-2025-04-14", first_token_s=0.4, token_s=0.009),
    "gpt-4.1-nano": Model(dated="gpt-4.1-nano-2025-04-14", first_token_s=0.3, token_s=0.006),
    "gpt-5.4-mini": Model(
        dated="gpt-5.4-mini-2026-03-17", first_token_s=1.6, token_s=0.012, reasons=True
    ),
    "o4-mini": Model(dated="o4-mini-2025-04-16", first_token_s=2.2, token_s=0.009, reasons=True),
    "text-embedding-3-small": Model(
        dated="text-embedding-3-small", first_token_s=0.12, token_s=0.0
    ),
    "claude-sonnet-4-6": Model(dated="claude-sonnet-4-6", first_token_s=1.1, token_s=0.016),
    "claude-haiku-4-5": Model(dated="claude-haiku-4-5-20251001", first_token_s=0.6, token_s=0.008),
}


class Finish(StrEnum):
    """Why a model stopped, before either provider gives it a name of its own."""

    STOP = "stop"
    LENGTH = "length"
    TOOL = "tool"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of one call. `input` includes both cache kinds, `output` includes reasoning."""

    input: int
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool on offer: its name and the names and JSON types of its required arguments."""

    name: str
    arguments: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What was asked of a model, in either provider's API."""

    model: str
    text: str
    cacheable: str = ""  # The leading part of the text that a provider would cache.
    tokens_max: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_results: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says, what it costs in tokens, and how long it takes at full scale."""

    text: str
    finish: Finish
    output_tokens: int
    reasoning_tokens: int
    tool: Tool | None
    tool_arguments: Mapping[str, str | int]
    first_token_s: float
    token_s: float


def count_tokens(text: str) -> int:
    """Count tokens the stand-in's way: one for every four characters, rounded up."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


def compose(prompt: Prompt, *, seed: int, fault: Fault | None) -> Answer:
    """Return the answer to a prompt for a model that `MODELS` holds."""
    model = MODELS[prompt.model]
    draw = _draw(seed, prompt.model, prompt.text)
    tool = _next_tool(prompt)
    wanted = draw.randint(12, 28) if tool else draw.randint(30, 140)
    reasoning = _REASONING_STEP * draw.randint(1, 6) if model.reasons else 0
    visible, finish = _cut(wanted, reasoning, prompt.tokens_max, fault)
    if tool and finish is Finish.STOP:
        finish = Finish.TOOL
    return Answer(
        text=_babble(draw, visible),
        finish=finish,
        output_tokens=visible + reasoning,
        reasoning_tokens=reasoning,
        tool=tool if finish is Finish.TOOL else None,
        tool_arguments=_arguments(draw, tool) if tool else {},
        first_token_s=model.first_token_s * draw.lognormvariate(0, 0.35),
        token_s=model.token_s * draw.lognormvariate(0, 0.15),
    )


def scripted_usage(headers: Mapping[str, str]) -> Usage | None:
    """Read the usage that a request dictates, as in `input=1200 cache_read=1024 output=80`."""
    script = headers.get(USAGE_HEADER)
    if script is None:
        return None
    counts = {name: int(count) for name, _, count in (p.partition("=") for p in script.split())}
    return Usage(**counts)


def embed(text: str, dimensions: int) -> list[float]:
    """Return a unit vector that is near that of texts which share words with this one."""
    vector = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % dimensions] += 1.0
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def _draw(*parts: object) -> random.Random:
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return random.Random(digest)


def _next_tool(prompt: Prompt) -> Tool | None:
    """Offer each tool once, in order, then answer: an agent's conversation has a known length."""
    return next(iter(prompt.tools[prompt.tool_results :]), None)


def _cut(
    wanted: int, reasoning: int, tokens_max: int | None, fault: Fault | None
) -> tuple[int, Finish]:
    if fault is Fault.CONTENT_FILTER:
        return wanted // 3, Finish.FILTERED
    if fault is Fault.LENGTH:
        return wanted // 2, Finish.LENGTH
    if tokens_max is not None and wanted + reasoning > tokens_max:
        return max(tokens_max - reasoning, 0), Finish.LENGTH
    return wanted, Finish.STOP


def _babble(draw: random.Random, tokens: int) -> str:
    """Return text that counts as exactly the given number of tokens."""
    size = tokens * CHARS_PER_TOKEN
    text = ""
    while len(text) < size:
        text += draw.choice(_WORDS) + " "
    return text[:size]


def _arguments(draw: random.Random, tool: Tool) -> dict[str, str | int]:
    return {
        name: draw.randint(1, 9) if kind in {"integer", "number"} else f"A-{draw.randint(100, 999)}"
        for name, kind in tool.arguments
    }
