"""Turn an OTLP/JSON request into protobuf bytes at the edge, so that one decoder serves all.

OTLP/JSON differs from protobuf's own JSON mapping: trace and span ids are hex, not base64.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporter.errors import MalformedError

_ID_FIELDS = ("traceId", "spanId", "parentSpanId")
_SNAKE = {"traceId": "trace_id", "spanId": "span_id", "parentSpanId": "parent_span_id"}


def to_protobuf(body: bytes) -> bytes:
    """Return the request as protobuf bytes; raise MalformedError that says what is wrong.

    An id that is not hex becomes empty, so that its span alone is refused.
    """
    try:
        request: Any = json.loads(body)
        if not isinstance(request, dict):
            raise MalformedError("not an ExportTraceServiceRequest: the JSON is not an object")
        _ids_to_base64(request)
        message = json_format.ParseDict(
            request, ExportTraceServiceRequest(), ignore_unknown_fields=True
        )
    except (ValueError, RecursionError, json_format.ParseError, AttributeError, TypeError) as error:
        # The parser's text may quote the body, which may hold a prompt: only the first words.
        raise MalformedError(f"not OTLP/JSON: {_first_words(error)}") from error
    return message.SerializeToString()


def _first_words(error: Exception) -> str:
    return str(error).split(":", maxsplit=1)[0].splitlines()[0][:80] if str(error) else "malformed"


def _ids_to_base64(request: dict[str, Any]) -> None:
    for resource in _items(request, "resourceSpans", "resource_spans"):
        for scope in _items(resource, "scopeSpans", "scope_spans"):
            for span in _items(scope, "spans", "spans"):
                _convert(span)
                for link in _items(span, "links", "links"):
                    _convert(link)


def _items(parent: Any, name: str, snake: str) -> list[dict[str, Any]]:
    if not isinstance(parent, dict):
        raise MalformedError(f"not OTLP/JSON: an object is expected around {name}")
    items = parent.get(name, parent.get(snake)) or []
    if not isinstance(items, list):
        raise MalformedError(f"not OTLP/JSON: {name} must be a list")
    return items


def _convert(holder: Any) -> None:
    if not isinstance(holder, dict):
        raise MalformedError("not OTLP/JSON: a span or link must be an object")
    for field in _ID_FIELDS:
        for name in (field, _SNAKE[field]):
            if isinstance(value := holder.get(name), str):
                holder[name] = base64.b64encode(_bytes(value)).decode()


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b"\0"  # Of no valid length, not even for a parent.
