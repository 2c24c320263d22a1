"""What a script is made of: turns that a provider answers with, and charges for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Finish(StrEnum):
    """Why a model stopped, before a provider gives it a name of its own."""

    STOP = "stop"
    LENGTH = "length"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of one turn as disjoint counts: adding them up counts each token once."""

    input: int = 0  # Neither read from nor written to a cache.
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0  # Without reasoning.
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the model asks for, with its arguments."""

    name: str
    arguments: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer of a model. With a status of 429 or above, it is a refusal."""

    text: str = ""
    thinking: str = ""
    tool: ToolCall | None = None
    usage: Usage = field(default_factory=Usage)
    finish: Finish = Finish.STOP
    status: int = 200

    @property
    def refused(self) -> bool:
        """Whether the provider gives an error instead of an answer."""
        return self.status >= 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of the bill: what the provider says it charges for a request."""

    provider: str
    operation: str
    request_model: str
    response_model: str | None
    streamed: bool
    usage: Usage
    finish_reason: str | None
    status: int = 200
    reasoning_told: bool = True  # Bedrock bills thinking as output, unseparated.


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes over the wire, and what it costs."""

    chunks: Iterator[bytes]
    charge: Charge
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.charge.status


DATED: Mapping[str, str] = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "o4-mini": "o4-mini-2025-04-16",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}
CREATED = 1_793_610_000  # A fixed time in responses keeps golden files still.
PIECE_CHARS = 8


def dated(model: str) -> str:
    """Return the name a provider answers with for the model that was asked for."""
    return DATED.get(model, model)


def pieces(text: str) -> list[str]:
    """Cut text into the deltas of a stream."""
    return [text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS)]
