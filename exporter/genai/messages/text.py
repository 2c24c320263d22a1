"""Write messages as plain text, for search and for display."""

from __future__ import annotations

from typing import Any

from exporter.genai.messages.item import Message
from exporter.genai.messages.parts import Part, json_text

# Their text has a column of its own.
SYSTEM_ROLES = frozenset({"system", "developer"})


def conversation_text(messages: list[Message], chars_max: int) -> str | None:
    """Return what is said, system instructions left out; None: nothing.

    One message is its text. Of several, each begins on a line of its own with who speaks.
    """
    said = [message for message in messages if message["role"] not in SYSTEM_ROLES]
    if len(said) == 1:
        return parts_text(said[0]["parts"], chars_max)
    pieces: list[str] = []
    left = chars_max
    for message in said:
        text = "\n".join([part_text(part) for part in message["parts"]])
        pieces.append(f"{message['role']}: {text}" if message["role"] else text)
        left -= len(pieces[-1]) + 1
        if left < 0:
            break
    return cut("\n".join(pieces), chars_max) if pieces else None


def parts_text(parts: list[Part], chars_max: int) -> str | None:
    """Return the text of parts, a line or more for each; None: nothing."""
    return cut("\n".join([part_text(part) for part in parts]), chars_max) or None


def cut(text: str, chars_max: int) -> str:
    """Return a text of at most so many characters, and after them that it was cut."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]} [cut after {chars_max} characters]"


def part_text(part: Part) -> str:
    """Return one part as a person would read it."""
    match part["type"]:
        case "text" | "cut":
            return part["content"]
        case "tool_call":
            arguments = part.get("arguments")
            return f"{part['name'] or 'tool'}({'' if arguments is None else _plain(arguments)})"
        case "tool_call_response":
            response = part["response"]
            return "" if response is None else _plain(response)
        case "reasoning":
            return f"[reasoning] {part['content']}"
        case "blob" | "uri" | "file":
            said = (part.get("modality"), part.get("mime_type"), part.get("uri"))
            return f"[{' '.join(str(word) for word in said if word)}]"
        case _:
            content = part.get("content")
            return content if isinstance(content, str) else json_text(part)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)
