"""A trace as OTLP/JSON, the form in which files and collectors hand traces on.

It differs from protobuf's own JSON mapping: ids are hex, and enums are numbers (OTLP 1.x, "JSON
Protobuf Encoding").
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_IDS = ("traceId", "spanId", "parentSpanId")


def otlp_json(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return a request as OTLP/JSON."""
    found = json_format.MessageToDict(request, use_integers_for_enums=True)
    for holder in _holders(found):
        for name in _IDS:
            if name in holder:
                holder[name] = base64.b64decode(holder[name]).hex()
    return found


def _holders(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in request.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield span
                yield from span.get("links", ())
