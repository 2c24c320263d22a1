"""Turn one part of a message, as any provider or framework writes it, into OpenTelemetry's form.

What a part says is kept. What it merely carries is reduced to a marker: an image or a sound is a
`blob` with its type and size, or a `uri`, never its base64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import from_json, to_json

Part = dict[str, Any]
Fields = dict[str, Any]
Reader = Callable[[Fields, int], Part]


def json_text(value: Any) -> str:
    """Return a value as compact JSON; a number that JSON lacks becomes its name."""
    return to_json(value, inf_nan_mode="strings").decode()


def parsed(text: str, opening: str = "[{") -> Any:
    """Return the JSON that a text opening with one of these holds, or the text itself."""
    if text[:1] not in opening and text.lstrip()[:1] not in tuple(opening):
        return text
    try:
        # jiter refuses what could not be written back: lone surrogates, and nesting above 200.
        return from_json(text)
    except ValueError:
        return text


def text_part(text: str) -> Part:
    """Return a text part."""
    return {"type": "text", "content": text}


def call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    """Return a tool call; arguments that are JSON text are read."""
    part: Part = {"type": "tool_call", "id": call_id, "name": name}
    if arguments is not None:
        part["arguments"] = parsed(arguments) if isinstance(arguments, str) else arguments
    return part


def response_part(call_id: Any, response: Any, depth: int) -> Part:
    """Return a tool's answer; a list of texts is joined, media in it are reduced to markers."""
    return {"type": "tool_call_response", "id": call_id, "response": _response(response, depth)}


def parts(content: Any, depth: int) -> list[Part]:
    """Return the parts of a message's content: text, one part, or a list of them."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    if isinstance(content, list):
        return [part(item, depth) for item in content if item is not None]
    return [part(content, depth)]


def part(value: Any, depth: int) -> Part:
    """Return a part in OpenTelemetry's form; what is not known becomes text."""
    if isinstance(value, str):
        return text_part(value)
    if not isinstance(value, dict) or depth <= 0:
        return text_part(json_text(value))
    kind = value.get("type")
    if isinstance(kind, str):
        if kind == "text" and len(value) == 2 and isinstance(value.get("content"), str):
            return value
        reader = _BY_TYPE.get(kind)
        # OpenTelemetry allows parts of any other type.
        return value if reader is None else reader(value, depth - 1)
    for key, reader in _BY_KEY.items():
        if key in value:
            return reader(value, depth - 1)
    return text_part(json_text(value))


def is_part(value: Any) -> bool:
    """Tell whether a value is surely a part, where it could be anything."""
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    if isinstance(kind, str):
        return kind in _BY_TYPE and len(value) > 1
    return len(value) == 1 and next(iter(value)) in _BY_KEY


def first(fields: Fields, *keys: str) -> Any:
    """Return the first of these fields that is there and says anything."""
    for key in keys:
        value = fields.get(key)
        if value is not None and value != "":
            return value
    return None


_CALL_KEYS = ("function", "functionCall", "function_call", "toolUse")
_CALLS = frozenset(_CALL_KEYS)


def tool_call(value: Fields, _depth: int = 0) -> Part:
    """Return a tool call of any provider."""
    inner = None if _CALLS.isdisjoint(value) else first(value, *_CALL_KEYS)
    fields = {**value, **inner} if isinstance(inner, dict) else value
    # The Responses API has the id of the item beside that of the call; the answer names the call.
    call_id = first(fields, "call_id", "toolCallId", "tool_call_id", "toolUseId", "id")
    name = first(fields, "name", "toolName", "tool_name")
    arguments = first(fields, "arguments", "args", "input", "parameters")
    if name is None and arguments is None:
        return text_part(json_text(value))
    return call_part(call_id, name, arguments)


def tool_response(value: Fields, depth: int) -> Part:
    """Return a tool's answer of any provider."""
    inner = first(value, "functionResponse", "function_response", "toolResult")
    fields = {**value, **inner} if isinstance(inner, dict) else value
    call_id = first(
        fields, "tool_call_id", "tool_use_id", "toolCallId", "toolUseId", "call_id", "id"
    )
    answer = first(fields, "response", "result", "output", "content")
    if isinstance(answer, dict) and answer.keys() == {"type", "value"}:
        answer = answer["value"]
    return response_part(call_id, answer, depth)


def _response(response: Any, depth: int) -> Any:
    if not isinstance(response, list) or not response or not all(map(is_part, response)):
        return response
    read = parts(response, depth)
    if all(item["type"] == "text" for item in read):
        return "\n".join(item["content"] for item in read)
    return read


def _text(value: Fields, _depth: int) -> Part:
    content = first(value, "content", "text", "refusal", "value")
    if isinstance(content, dict):
        content = content.get("value", content)
    if content is None:
        content = "" if len(value) == 1 or value.keys() & {"content", "text"} else value
    text = content if isinstance(content, str) else json_text(content)
    return {"type": "reasoning" if value.get("thought") is True else "text", "content": text}


def _reasoning(value: Fields, depth: int) -> Part:
    inner = value.get("reasoningContent")
    if isinstance(inner, dict):
        value = inner
    content = first(value, "content", "thinking", "text", "reasoning", "summary", "reasoningText")
    if isinstance(content, (list, dict)):
        texts = [item.get("content", "") for item in parts(content, depth)]
        content = "\n".join(text for text in texts if isinstance(text, str))
    # What a provider hid from its caller is encrypted: of no use to anybody.
    if content is not None and not isinstance(content, str):
        content = json_text(content)
    return {"type": "reasoning", "content": content or ""}


def _json(value: Fields, _depth: int) -> Part:
    return text_part(json_text(value["json"]))


# Media ------------------------------------------------------------------------------------------

_MODALITIES = ("image", "audio", "video")
_URL_KEYS = ("uri", "url", "fileUri", "file_uri", "image_url", "image", "audio_url", "video_url")
_DATA_KEYS = ("data", "content", "bytes", "file_data", "image", "blob")
_MIME_KEYS = ("mime_type", "mimeType", "media_type", "mediaType", "format")


def _media(value: Fields, depth: int) -> Part:
    source = value.get("source")
    if isinstance(source, dict) and source.get("type") in ("text", "content"):
        # Anthropic's documents may be plain text, or parts.
        inner = parts(first(source, "data", "content"), depth)
        return text_part("\n".join(str(item.get("content", "")) for item in inner))
    fields = _flat(value)
    mime = first(fields, *_MIME_KEYS)
    url = first(fields, *_URL_KEYS)
    data = first(fields, *_DATA_KEYS)
    for text in (url, data):
        if isinstance(text, str) and text.startswith("data:"):
            header, _, body = text.partition(",")
            return _blob(value, mime or header[5:].partition(";")[0], body)
    if isinstance(url, str) and url != data:
        return {"type": "uri", "modality": _modality(value, mime), "uri": url}
    if data is None and (file_id := first(fields, "file_id", "fileId", "id")) is not None:
        return {"type": "file", "modality": _modality(value, mime), "file_id": file_id}
    if isinstance(data, str) and "://" in data[:16]:
        return {"type": "uri", "modality": _modality(value, mime), "uri": data}
    return _blob(value, mime, data)


def _blob(value: Fields, mime: Any, data: Any) -> Part:
    blob: Part = {"type": "blob", "modality": _modality(value, mime)}
    if isinstance(mime, str) and mime:
        blob["mime_type"] = mime
    if isinstance(data, str):
        blob["bytes"] = len(data) * 3 // 4
    return blob


def _flat(value: Fields) -> Fields:
    """Return the fields of a part with those of what it nests, two levels down."""
    flat = dict(value)
    for inner in list(value.values()):
        if isinstance(inner, dict):
            flat |= {k: v for k, v in inner.items() if not isinstance(v, dict)}
            for deeper in inner.values():
                if isinstance(deeper, dict):
                    flat |= {k: v for k, v in deeper.items() if not isinstance(v, dict)}
    return {key: item for key, item in flat.items() if not isinstance(item, dict)}


def _modality(value: Fields, mime: Any) -> str:
    said = value.get("modality")
    if isinstance(said, str):
        return said
    hints = f"{mime} {value.get('type')} {' '.join(value)}"
    return next((name for name in _MODALITIES if name in hints), "document")


_TEXT_TYPES = "text input_text output_text summary_text refusal"
_CALL_TYPES = (
    "tool_call tool-call tool_use server_tool_use function_call function custom_tool_call mcp_call"
)
_RESPONSE_TYPES = (
    "tool_call_response tool-result tool_result function_call_output custom_tool_call_output "
    "web_search_tool_result mcp_tool_result"
)
_REASONING_TYPES = "reasoning thinking redacted_thinking reasoning_text reasoning_content"
_MEDIA_TYPES = (
    "blob uri file binary media image image_url image-url input_image audio input_audio audio_url "
    "audio-url video video_url video-url document document-url input_file"
)
_MEDIA_KEYS = "inlineData inline_data fileData file_data image audio video document"

_BY_TYPE: dict[str, Reader] = {
    **dict.fromkeys(_TEXT_TYPES.split(), _text),
    **dict.fromkeys(_CALL_TYPES.split(), tool_call),
    **dict.fromkeys(_RESPONSE_TYPES.split(), tool_response),
    **dict.fromkeys(_REASONING_TYPES.split(), _reasoning),
    **dict.fromkeys(_MEDIA_TYPES.split(), _media),
}

# Parts of Gemini and Bedrock have no type: the first of these keys says what they are.
_BY_KEY: dict[str, Reader] = {
    "text": _text,
    **dict.fromkeys(("functionCall", "function_call", "toolUse"), tool_call),
    **dict.fromkeys(("functionResponse", "function_response", "toolResult"), tool_response),
    "reasoningContent": _reasoning,
    **dict.fromkeys(_MEDIA_KEYS.split(), _media),
    "json": _json,
}
