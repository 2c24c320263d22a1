"""Read the attributes that were chosen for one side of a span, each form in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exporter.genai.messages.item import ASSISTANT, TOOL, USER, Message, message
from exporter.genai.messages.keys import BESIDE, Form, Side
from exporter.genai.messages.parts import (
    Fields,
    Part,
    call_part,
    first,
    is_part,
    json_text,
    parsed,
    parts,
    response_part,
    text_part,
)
from exporter.genai.messages.shapes import Content, conversation, definitions, system_parts
from exporter.genai.messages.sources import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of the span beside its content."""

    depth: int
    is_tool: bool = False
    tool: str | None = None
    call_id: str | None = None


def read(side: Side, entries: list[Entry], context: Context) -> Content:
    """Return what the entries of one side of a span hold."""
    form = entries[0][0].form
    if side == Side.SYSTEM:
        return Content(system=system_parts(_json(entries[0][2]), context.depth))
    if form == Form.VALUE and context.is_tool:
        form = Form.ARGUMENTS if side == Side.INPUT else Form.RESULT
    role = USER if side == Side.INPUT else ASSISTANT
    return _FORMS[form](entries, role, context)


def _json(text: str) -> Any:
    # Some write every value as JSON, so that a text comes in quotes.
    return parsed(text, '[{"')


def _value(entries: list[Entry], role: str, context: Context) -> Content:
    if len(entries) == 1:
        return _whole(entries[0][2], role, context)
    contents: dict[int, Content] = {}
    for _, group, text in entries:
        # Of a key that occurs twice the first one counts; each event counts.
        if group not in contents:
            contents[group] = _whole(text, role, context)
    found = list(contents.values())
    found[0].messages = [said for content in found for said in content.messages]
    return found[0]


def _whole(text: str, role: str, context: Context) -> Content:
    value = _json(text)
    if isinstance(value, str):
        return Content([{"role": role, "parts": parts(value, context.depth)}])
    content = conversation(value, role, context.depth)
    if content is None:
        return Content([{"role": role, "parts": [text_part(text)]}])
    return content


def _history(entries: list[Entry], role: str, context: Context) -> Content:
    content = _whole(entries[0][2], role, context)
    messages = content.messages
    has_answer = bool(messages) and messages[-1]["role"] == ASSISTANT
    if role == ASSISTANT:
        return Content(messages[-1:] if has_answer else [])
    if has_answer:
        content.messages = messages[:-1]
    return content


def _texts(entries: list[Entry], role: str, _context: Context) -> Content:
    ordered = sorted(entries, key=lambda entry: _index(entry[0].path))
    said: list[Part] = [text_part(text) for _, _, text in ordered if text]
    if role == ASSISTANT:
        return Content([{"role": role, "parts": [part]} for part in said])
    return Content([{"role": role, "parts": said}])


def _index(path: tuple[str | int, ...]) -> int:
    return path[0] if isinstance(path[0], int) else -1


# Indexed keys -----------------------------------------------------------------------------------


def _tree(entries: list[Entry]) -> list[Any]:
    """Return what indexed keys were made of: the items in their order, fields by name."""
    tree: dict[Any, Any] = {}
    for place, _, text in entries:
        node = tree
        inner: Any
        for step in place.path[:-1]:
            inner = node.get(step)
            if not isinstance(inner, dict):
                # A key that is also the beginning of another keeps what it says.
                inner = {} if inner is None else {"content": inner}
                node[step] = inner
            node = inner
        field = place.path[-1]
        inner = node.setdefault(field, text)
        if isinstance(inner, dict):
            inner.setdefault("content", text)
    return [_listed(tree[index]) for index in sorted(tree, key=_order)]


def _order(step: str | int) -> tuple[int, str]:
    return (step, "") if isinstance(step, int) else (1 << 31, step)


def _listed(node: Any) -> Any:
    """Return a node with its indexed fields as lists."""
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(step, int) for step in node):
        return [_listed(node[index]) for index in sorted(node)]
    return {
        str(step): _listed(inner) if isinstance(inner, dict) else inner
        for step, inner in node.items()
    }


def _messages(entries: list[Entry], role: str, context: Context) -> Content:
    return Content([_flattened(item, role, context) for item in _tree(entries)])


def _flattened(item: Any, role: str, context: Context) -> Message:
    if not isinstance(item, dict):
        return {"role": role, "parts": parts(item, context.depth)}
    content = item.get("content")
    if isinstance(content, str) and content[:2] in ("[{", '["', '{"'):
        # Content of several parts is one JSON text.
        value = parsed(content)
        if is_part(value) or (isinstance(value, list) and value and all(map(is_part, value))):
            item["content"] = value
    if isinstance(item.get("contents"), list):
        said = item.pop("contents")
        if content:
            said.append(content)
        item["content"] = said
    if name := item.get("function_call_name"):
        arguments = item.get("function_call_arguments_json")
        item["function_call"] = {"name": name, "arguments": arguments}
    return _said(item, message(item, role, context.depth))


def _said(fields: Fields, read: Message) -> Message:
    """Return a message; one that was not understood says its fields."""
    if not read["parts"]:
        rest = {key: value for key, value in fields.items() if key not in BESIDE and value}
        read["parts"] = [text_part(json_text(rest))] if rest else []
    return read


# Events -----------------------------------------------------------------------------------------

_SPEAKERS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": USER,
    "gen_ai.assistant.message": ASSISTANT,
    "gen_ai.tool.message": TOOL,
    "gen_ai.choice": ASSISTANT,
}

_MESSAGE_KEYS = (
    BESIDE | {"content", "parts", "tool_calls", "function_call", "reasoning_content", "refusal"}
) - {"gen_ai.system", "score"}

_BODIES = ("gen_ai.event.content", "event_body", "body", "message")


def _events(entries: list[Entry], _role: str, context: Context) -> Content:
    events: dict[int, tuple[str, Fields]] = {}
    for place, group, text in entries:
        _, fields = events.setdefault(group, (str(place.path[0]), {}))
        fields.setdefault(str(place.path[1]).removeprefix("body."), text)
    return Content([_event(name, fields, context) for name, fields in events.values()])


def _event(name: str, fields: Fields, context: Context) -> Message:
    role = _SPEAKERS[name]
    for key in _BODIES:
        body = fields.get(key)
        if body:
            inner = _json(body)
            if isinstance(inner, dict) and isinstance(inner.get("message"), dict):
                inner |= inner.pop("message")
            if not isinstance(inner, dict) or not inner.keys() <= _MESSAGE_KEYS:
                inner = {"content": inner if _is_content(inner) else body}
            fields = {**{k: v for k, v in fields.items() if k != key}, **inner}
    content = fields.get("content")
    if isinstance(content, str):
        value = _json(content)
        if _is_content(value):
            fields["content"] = value
    said = {key: fields[key] for key in _MESSAGE_KEYS if fields.get(key) is not None}
    return _said(fields, message({"role": role, **said}, role, context.depth))


def _is_content(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(is_part, value))
    return isinstance(value, str) or is_part(value)


# Tools and documents ----------------------------------------------------------------------------


def _answer(entries: list[Entry], role: str, context: Context) -> Content:
    said: dict[str, str] = {}
    for place, _, text in entries:
        said.setdefault(str(place.path[0]), text)
    fields: Fields = {"role": role, "content": _text_of(first(said, "text", "object"))}
    if reasoning := said.get("reasoning"):
        fields["reasoning"] = reasoning
    if calls := first(said, "toolCalls", "tool_calls"):
        fields["tool_calls"] = calls
    return Content([message(fields, role, context.depth)])


def _text_of(text: str | None) -> Any:
    """Return a list of texts where the text is one, for those who answer in such lists."""
    value = parsed(text, "[") if text else None
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value
    return text


def _arguments(entries: list[Entry], _role: str, context: Context) -> Content:
    arguments = _json(entries[0][2])
    call = call_part(context.call_id, context.tool, arguments)
    return Content([{"role": ASSISTANT, "parts": [call]}])


def _result(entries: list[Entry], _role: str, context: Context) -> Content:
    response = response_part(context.call_id, _json(entries[0][2]), context.depth)
    return Content([{"role": TOOL, "parts": [response]}])


def _documents(entries: list[Entry], role: str, _context: Context) -> Content:
    indexed = isinstance(entries[0][0].path[0], int)
    items: Any = _tree(entries) if indexed else _json(entries[0][2])
    listed: list[Any] = items if isinstance(items, list) else [items]
    documents = [_document(item) for item in listed]
    return Content([{"role": TOOL if role == ASSISTANT else role, "parts": documents}])


def _document(item: Any) -> Part:
    """Return a document as a text part that keeps its id, score and metadata."""
    if not isinstance(item, dict):
        return text_part(item if isinstance(item, str) else json_text(item))
    content = first(item, "content", "text", "page_content")
    if not isinstance(content, str):
        return text_part(json_text(item))
    beside = {key: item[key] for key in ("id", "score", "metadata") if item.get(key) is not None}
    return {**text_part(content), **beside}


def _definitions(entries: list[Entry], _role: str, context: Context) -> Content:
    if not isinstance(entries[0][0].path[0], int):
        return Content(tools=definitions(entries[0][2], context.depth))
    found: list[Any] = []
    for item in _tree(entries):
        schema = item.get("json_schema") if isinstance(item, dict) else None
        found += definitions(schema or item, context.depth)
    return Content(tools=found)


_FORMS: dict[Form, Callable[[list[Entry], str, Context], Content]] = {
    Form.VALUE: _value,
    Form.TEXTS: _texts,
    Form.MESSAGES: _messages,
    Form.EVENTS: _events,
    Form.ANSWER: _answer,
    Form.ARGUMENTS: _arguments,
    Form.RESULT: _result,
    Form.DOCUMENTS: _documents,
    Form.HISTORY: _history,
    Form.DEFINITIONS: _definitions,
}
