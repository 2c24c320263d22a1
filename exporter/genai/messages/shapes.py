"""Recognise conversations in JSON: requests and answers of providers, states of frameworks.

A shape that is not known gives None, and its caller keeps the text as it stands. Of a known one,
the messages, the system instructions and the tool definitions are taken; its other fields
(temperature, ids, usage) say nothing that was said, and are in the attribute itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exporter.genai.messages.item import (
    ASSISTANT,
    SYSTEM,
    Message,
    finish_of,
    is_message,
    message,
)
from exporter.genai.messages.parts import (
    Fields,
    Part,
    first,
    is_part,
    parsed,
    parts,
    text_part,
)


@dataclass(slots=True)
class Content:
    """What was found in one place."""

    messages: list[Message] = field(default_factory=list[Message])
    system: list[Part] = field(default_factory=list[Part])
    tools: list[Any] = field(default_factory=list[Any])


def conversation(value: Any, role: str, depth: int) -> Content | None:
    """Return what a JSON value holds, or None; `role` speaks where the value does not say who."""
    if depth <= 0:
        return None
    if isinstance(value, list):
        return _from_list(value, role, depth)
    if not isinstance(value, dict):
        return None
    if is_message(value):
        return Content([message(value, role, depth)])
    for key, reader in _SHAPES.items():
        if value.get(key):
            content = reader(value, role, depth - 1)
            if content is not None:
                return content
    return None


def _from_list(items: list[Any], role: str, depth: int) -> Content | None:
    if not items:
        return None
    if all(map(is_message, items)):
        return Content([message(item, role, depth) for item in items])
    if all(isinstance(item, str) for item in items) or all(map(is_part, items)):
        return Content([{"role": role, "parts": parts(items, depth)}])
    if all(isinstance(item, list) for item in items):
        # LangChain calls a model with a list of conversations.
        inner = [conversation(item, role, depth - 1) for item in items if item]
        known = [content for content in inner if content is not None]
        if len(known) == len(inner):
            return Content([said for content in known for said in content.messages])
    return None


# Requests and answers ---------------------------------------------------------------------------

Shape = Callable[[Fields, str, int], Content | None]

# A request has nothing else beside its prompt, unless it names a model.
_PROMPT_KEYS = frozenset({"system", "prompt", "messages", "instructions", "tools", "input"})


def _request(key: str) -> Shape:
    def read(value: Fields, role: str, depth: int) -> Content | None:
        asked = value[key]
        if isinstance(asked, str):
            if "model" not in value and not value.keys() <= _PROMPT_KEYS:
                return None
            content = Content([{"role": role, "parts": [text_part(asked)]}])
        elif isinstance(asked, list) and key == "contents" and not all(map(is_message, asked)):
            content = Content([_gemini_content(item, role, depth) for item in asked])
        else:
            content = conversation(asked, role, depth)
        if content is None:
            return None
        config = value.get("config")
        fields = {**config, **value} if isinstance(config, dict) else value
        content.system = system_parts(
            first(fields, "system", "systemInstruction", "system_instruction", "instructions"),
            depth,
        )
        content.tools = definitions(first(fields, "tools", "functions", "toolConfig"), depth)
        return content

    return read


def _gemini_content(value: Any, role: str, depth: int) -> Message:
    """Return one of Gemini's contents, which need not say who speaks."""
    if isinstance(value, dict) and isinstance(value.get("parts"), list):
        return message(value, role, depth)
    return {"role": role, "parts": parts(value, depth)}


def _choices(value: Fields, _role: str, depth: int) -> Content | None:
    choices = value.get("choices") or value.get("candidates")
    if not isinstance(choices, list):
        return None
    found: list[Message] = []
    for choice in choices:
        if not isinstance(choice, dict):
            return None
        inner = first(choice, "message", "content", "delta", "text")
        finish = {"finish_reason": finish_of(choice)}
        if isinstance(inner, dict):
            found.append(message({**finish, **inner}, ASSISTANT, depth))
        else:
            found.append(message({**finish, "content": inner}, ASSISTANT, depth))
    return Content(found)


def _output(value: Fields, role: str, depth: int) -> Content | None:
    items = value["output"]
    content = conversation(items, role, depth)
    if content is None or not isinstance(items, list) or not all(map(is_message, items)):
        return content
    if any(said["role"] != ASSISTANT for said in content.messages):
        return content
    # The Responses API answers in items: reasoning, text and calls are one message.
    return Content(
        [{"role": ASSISTANT, "parts": [p for said in content.messages for p in said["parts"]]}]
    )


def _generations(value: Fields, _role: str, depth: int) -> Content | None:
    """Return LangChain's result: a list of answers to each of a list of prompts."""
    lists = value["generations"]
    if not isinstance(lists, list):
        return None
    flat = [item for each in lists for item in (each if isinstance(each, list) else [each])]
    found: list[Message] = []
    for item in flat:
        if not isinstance(item, dict):
            return None
        if isinstance(inner := item.get("message"), dict):
            found.append(message(inner, ASSISTANT, depth))
        else:
            found.append({"role": ASSISTANT, "parts": parts(item.get("text"), depth)})
    return Content(found) if found else None


def _inside(key: str) -> Shape:
    def read(value: Fields, role: str, depth: int) -> Content | None:
        inner = value[key]
        if not isinstance(inner, (dict, list)):
            return None
        if key in {"message", "content"} and isinstance(inner, dict):
            if not is_message(inner):
                return None
            return Content([message({"finish": finish_of(value), **inner}, role, depth)])
        if key in {"message", "content"}:
            return None
        return conversation(inner, role, depth)

    return read


def _typed_value(value: Fields, role: str, depth: int) -> Content | None:
    """Return LangWatch's `{"type": ..., "value": ...}`."""
    if value.keys() != {"type", "value"}:
        return None
    inner = value["value"]
    if isinstance(inner, str):
        return Content([{"role": role, "parts": [text_part(inner)]}])
    return conversation(inner, role, depth)


# By the key that tells a shape, in the order in which they are tried.
_SHAPES: dict[str, Shape] = {
    "messages": _request("messages"),
    "contents": _request("contents"),
    "choices": _choices,
    "candidates": _choices,
    "generations": _generations,
    "output": _output,
    "input": _request("input"),
    "prompt": _request("prompt"),
    "value": _typed_value,
    **{key: _inside(key) for key in ("message", "content", "inputs", "outputs", "kwargs", "items")},
}


# System instructions and tools ------------------------------------------------------------------


def system_parts(value: Any, depth: int) -> list[Part]:
    """Return system instructions: text, parts or messages."""
    if isinstance(value, dict) and isinstance(value.get("parts"), list):
        value = value["parts"]
    if isinstance(value, list) and value and all(map(is_message, value)):
        return [p for item in value for p in message(item, SYSTEM, depth)["parts"]]
    if isinstance(value, dict) and is_message(value):
        return message(value, SYSTEM, depth)["parts"]
    return parts(value, depth)


def definitions(value: Any, depth: int) -> list[Any]:
    """Return tool definitions in OpenTelemetry's form; what is not known stays as it is."""
    if isinstance(value, str):
        value = parsed(value)
    if depth <= 0 or value in (None, "", [], {}):
        return []
    if isinstance(value, list):
        return [found for item in value for found in definitions(item, depth - 1)]
    if not isinstance(value, dict):
        return [value]
    several = first(value, "functionDeclarations", "function_declarations", "tools")
    if isinstance(several, list):
        return definitions(several, depth - 1)
    return [_definition(value)]


def _definition(value: Fields) -> Fields:
    inner = first(value, "function", "toolSpec")
    fields = inner if isinstance(inner, dict) else value
    if not isinstance(fields.get("name"), str):
        return value
    kind = value.get("type")
    tool: Fields = {"type": kind if isinstance(kind, str) else "function", "name": fields["name"]}
    if description := fields.get("description"):
        tool["description"] = description
    schema = first(
        fields,
        *("parameters", "input_schema", "inputSchema", "parametersJsonSchema", "json_schema"),
    )
    if isinstance(schema, str):
        schema = parsed(schema)
    if isinstance(schema, dict):
        schema = first(schema, "jsonSchema", "json") or schema
    if schema is not None:
        tool["parameters"] = schema
    return tool
