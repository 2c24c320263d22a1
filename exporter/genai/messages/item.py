"""Recognise one message and write it in OpenTelemetry's form."""

from __future__ import annotations

from typing import Any

from exporter.genai.messages.parts import (
    Fields,
    Part,
    first,
    parsed,
    part,
    parts,
    response_part,
    text_part,
    tool_call,
)

Message = dict[str, Any]

ASSISTANT, USER, TOOL, SYSTEM = "assistant", "user", "tool", "system"

_ROLES: dict[str, str] = {
    **dict.fromkeys(("human", "HumanMessage", "HumanMessageChunk"), USER),
    **dict.fromkeys(("ai", "AIMessage", "AIMessageChunk", "model", "chatbot"), ASSISTANT),
    "SystemMessage": SYSTEM,
    **dict.fromkeys(("function", "ToolMessage", "FunctionMessage"), TOOL),
}

# LangChain's messages have a type for a role.
_LANGCHAIN_TYPES = frozenset({"human", "ai", "system", "tool", "AIMessageChunk", "function"})
_LANGCHAIN_CLASSES = _LANGCHAIN_TYPES | _ROLES.keys()

# Items of OpenAI's Responses API that are no message of their own, and who speaks in them.
_ITEM_ROLES: dict[str, str] = {
    "function_call": ASSISTANT,
    "custom_tool_call": ASSISTANT,
    "reasoning": ASSISTANT,
    "function_call_output": TOOL,
    "custom_tool_call_output": TOOL,
}


_SAYING = frozenset({"content", "parts", "tool_calls", "function_call", "reasoning_content"})


def is_message(value: Any) -> bool:
    """Tell whether a value is surely a message."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("role"), str):
        return not _SAYING.isdisjoint(value)
    kind = value.get("type")
    if isinstance(kind, str):
        if kind in _ITEM_ROLES:
            return len(value) > 1
        if kind in _LANGCHAIN_TYPES:
            return "content" in value or isinstance(value.get("data"), dict)
        if kind == "constructor":
            return isinstance(value.get("kwargs"), dict) and "content" in value["kwargs"]
    return "event.name" in value and ("content" in value or "message" in value)


def message(value: Fields, role: str, depth: int) -> Message:
    """Return a message in OpenTelemetry's form."""
    if "role" not in value:
        value = _unwrapped(value)
    role = _role(value, role)
    said = value.get("parts")
    listed = isinstance(said, list)
    content = said if listed else value.get("content")
    kind = value.get("type")
    is_item = isinstance(kind, str) and kind in _ITEM_ROLES and not listed
    if is_item:
        said_parts = [part(value, depth)]
    else:
        said_parts = parts(content, depth)
        if role == TOOL and not listed:
            said_parts = _tool_answer(value, content, said_parts, depth)
    result: Message = {"role": role, "parts": said_parts}
    # Most messages have a role and a content, and nothing else to look for.
    if len(value) > 2 or not said_parts or "role" not in value:
        if not is_item and not _OUTSIDE.isdisjoint(value):
            result["parts"] = _with_fields(value, said_parts, depth)
        if isinstance(name := value.get("name"), str) and name and role in {USER, ASSISTANT}:
            result["name"] = name
        if isinstance(finish := finish_of(value), str):
            result["finish_reason"] = finish
    return result


def _unwrapped(value: Fields) -> Fields:
    """Return the message that is inside one of LangChain's or of an event."""
    inner = first(value, "kwargs", "data", "message")
    if not isinstance(inner, dict):
        return value
    kind = value.get("type")
    if kind == "constructor":
        path = value.get("id")
        kind = path[-1] if isinstance(path, list) and path else None
    return {"type": kind, "finish": finish_of(value), **inner}


_FINISH_KEYS = ("finish_reason", "stop_reason", "finishReason", "stopReason", "finish")
_FINISHES = frozenset(_FINISH_KEYS)


def finish_of(value: Fields) -> Any:
    """Return why a generation stopped."""
    return None if _FINISHES.isdisjoint(value) else first(value, *_FINISH_KEYS)


def _role(value: Fields, role: str) -> str:
    said = value.get("role")
    if said in (USER, ASSISTANT, TOOL):
        return said
    if not isinstance(said, str) or not said:
        kind = value.get("type")
        if not isinstance(kind, str) or not (kind in _ITEM_ROLES or kind in _LANGCHAIN_CLASSES):
            return role
        said = _ITEM_ROLES.get(kind, kind)
    return _ROLES.get(said) or _ROLES.get(said.lower(), said.lower())


def _tool_answer(value: Fields, content: Any, said: list[Part], depth: int) -> list[Part]:
    if content is None or any(item["type"] == "tool_call_response" for item in said):
        return said
    call_id = first(value, "tool_call_id", "id", "name")
    return [response_part(call_id, content, depth)]


# What a message may say outside its content.
_OUTSIDE = frozenset(
    {"reasoning_content", "reasoning", "thinking", "refusal", "audio", "tool_calls"}
    | {"additional_kwargs", "function_call"}
)


def _with_fields(value: Fields, said: list[Part], depth: int) -> list[Part]:
    """Return the parts with what a message says outside its content."""
    reasoning = first(value, "reasoning_content", "reasoning", "thinking")
    if isinstance(reasoning, str):
        said = [{"type": "reasoning", "content": reasoning}, *said]
    if isinstance(refusal := value.get("refusal"), str) and refusal:
        said = [*said, text_part(refusal)]
    if isinstance(audio := value.get("audio"), dict):
        said = [*said, part({"type": "audio", **audio}, depth)]
        if isinstance(transcript := audio.get("transcript"), str):
            said.append(text_part(transcript))
    calls = value.get("tool_calls")
    if not calls and isinstance(more := value.get("additional_kwargs"), dict):
        calls = more.get("tool_calls")
    if isinstance(call := value.get("function_call"), dict):
        calls = [call]
    if isinstance(calls, list) and not any(item["type"] == "tool_call" for item in said):
        said = [*said, *(_call(item) for item in calls)]
    elif isinstance(calls, str) and calls:
        # Some write the calls as JSON inside the JSON.
        inner = parsed(calls)
        said = [*said, *(_call(i) for i in (inner if isinstance(inner, list) else [inner]))]
    return said


def _call(value: Any) -> Part:
    return tool_call(value) if isinstance(value, dict) else text_part(str(value))
