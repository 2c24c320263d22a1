"""OTLP/JSON as the specification writes it (hex ids, enums as numbers), one attribute a line."""

import base64
import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_IDS = {"traceId", "spanId", "parentSpanId"}


def to_tree(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return a request as JSON values, ids in hex."""
    tree = json_format.MessageToDict(request, use_integers_for_enums=True)
    _recode(tree, lambda text: base64.b64decode(text).hex())
    return tree


def loads(text: str | bytes) -> ExportTraceServiceRequest:
    """Read a request from OTLP/JSON."""
    tree = json.loads(text)
    _recode(tree, lambda text: base64.b64encode(bytes.fromhex(text)).decode())
    return json_format.ParseDict(tree, ExportTraceServiceRequest(), ignore_unknown_fields=True)


def dumps(tree: Any) -> str:
    """Write JSON values for review: indented, but an attribute takes one line."""
    return _render(tree, "") + "\n"


def _recode(node: Any, code: Any) -> None:
    match node:
        case dict():
            for key, value in node.items():
                if key in _IDS and isinstance(value, str):
                    node[key] = code(value)
                else:
                    _recode(value, code)
        case list():
            for item in node:
                _recode(item, code)
        case _:
            pass


def _render(node: Any, indent: str) -> str:
    inner = indent + " "
    match node:
        case {"key": _}:
            return json.dumps(node, ensure_ascii=False)
        case dict() if node:
            lines = [
                f"{inner}{json.dumps(key)}: {_render(value, inner)}" for key, value in node.items()
            ]
            return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
        case list() if node:
            lines = [inner + _render(item, inner) for item in node]
            return "[\n" + ",\n".join(lines) + f"\n{indent}]"
        case _:
            return json.dumps(node, ensure_ascii=False)
