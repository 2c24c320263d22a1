"""Read the text and the tools out of the JSON that provider APIs take."""

from collections.abc import Iterator
from typing import TypeAlias

from pydantic import JsonValue

from exporter.demo.answers import CHARS_PER_TOKEN

Json: TypeAlias = dict[str, JsonValue]

_TOKENS_PER_PIECE = 4


def text_of(content: JsonValue) -> str:
    """Return all text in message content: a string, a content part, or a list of either."""
    match content:
        case str():
            return content
        case list():
            return "".join(text_of(part) for part in content)
        case dict():
            return text_of(content.get("text") or content.get("content"))
        case _:
            return ""


def required_arguments(schema: JsonValue) -> tuple[tuple[str, str], ...]:
    """Return the name and type of each required property of a JSON schema."""
    match schema:
        case {"properties": dict() as properties, "required": list() as required}:
            return tuple((str(name), _type_of(properties.get(str(name)))) for name in required)
        case _:
            return ()


def pieces(text: str) -> Iterator[tuple[str, int]]:
    """Cut text into the deltas of a stream, each with its number of tokens."""
    size = CHARS_PER_TOKEN * _TOKENS_PER_PIECE
    for start in range(0, len(text), size):
        yield text[start : start + size], _TOKENS_PER_PIECE


def _type_of(schema: JsonValue) -> str:
    match schema:
        case {"type": str() as kind}:
            return kind
        case _:
            return "string"
