"""The JSON of Tempo's answers.

Grafana reads searches with a strict parser: a field that it does not know fails the whole search,
so nothing may be added here. Integers of 64 bits are text, as in protobuf's JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from exporter.query.search import Exemplar, FoundSpan, FoundSpans, FoundTrace, FoundTraces, Series
from exporter.query.traceql.evaluate import Shown
from exporter.query.traceql.fields import DERIVED, INTRINSICS, PREFIX
from exporter.spans.condition import PlaceField, Scope
from exporter.spans.schema import NANOSECONDS

_UINT32_MAX = 2**32 - 1
_NESTED = (PlaceField.PARENT, PlaceField.LEFT, PlaceField.RIGHT)
_TAG_TYPES = {kind: kind for kind in ("int", "bool", "duration", "keyword")} | {"double": "float"}
INTRINSIC_TAGS = [name for name in INTRINSICS if name not in _NESTED]


def search_json(found: FoundTraces) -> dict[str, Any]:
    """Return the answer to a search."""
    return {
        "traces": [_trace(each) for each in found.traces],
        "metrics": {"inspectedTraces": len(found.traces), "completedJobs": 1, "totalJobs": 1},
    }


def tags_json(keys: Mapping[Scope, Sequence[str]], scope: str) -> dict[str, Any]:
    """Return the keys of each scope, of one scope where one is asked for."""
    derived = [PREFIX + name for name in DERIVED]
    by_scope = {
        each.value: [*known, *(derived if each is Scope.SPAN else ())]
        for each, known in keys.items()
    }
    by_scope["intrinsic"] = INTRINSIC_TAGS
    return {
        "scopes": [
            {"name": name, "tags": tags}
            for name, tags in by_scope.items()
            if tags and scope in {"", name}
        ]
    }


def old_tags_json(keys: Mapping[Scope, Sequence[str]]) -> dict[str, Any]:
    """Return the keys of spans and resources without their scopes."""
    return {"tagNames": sorted({*keys[Scope.SPAN], *keys[Scope.RESOURCE]})}


def values_json(values: Iterable[Shown]) -> dict[str, Any]:
    """Return the values of a field with their types."""
    return {
        "tagValues": [
            {"type": _TAG_TYPES.get(kind, "string"), "value": _word(text or "", kind)}
            for text, kind in values
        ]
    }


def old_values_json(values: Iterable[Shown]) -> dict[str, Any]:
    """Return the values of a field as text."""
    return {"tagValues": [_word(text or "", kind) for text, kind in values]}


def range_json(series: Iterable[Series]) -> dict[str, Any]:
    """Return series over time."""
    return {
        "series": [
            {
                "labels": _labels(each.labels),
                "samples": [
                    {"timestampMs": str(time_ns // 1_000_000), "value": value}
                    for time_ns, value in each.samples
                ],
                "exemplars": [_exemplar(one) for one in each.exemplars],
            }
            for each in series
        ],
        "metrics": {"completedJobs": 1, "totalJobs": 1},
    }


def instant_json(series: Iterable[Series]) -> dict[str, Any]:
    """Return one number of each series that has one."""
    return {
        "series": [
            {"labels": _labels(each.labels), "value": each.samples[0][1]}
            for each in series
            if each.samples
        ],
        "metrics": {"completedJobs": 1, "totalJobs": 1},
    }


def value_json(text: str, kind: str) -> dict[str, Any]:
    """Return a value in protobuf's JSON: integers are text, so are numbers that JSON lacks."""
    match kind:
        case "int":
            return {"intValue": text}
        case "double":
            number = float(text)
            finite = number - number == 0
            named = {"inf": "Infinity", "-inf": "-Infinity"}.get(str(number), "NaN")
            return {"doubleValue": number if finite else named}
        case "bool":
            return {"boolValue": text == "true"}
        case "duration":
            return {"stringValue": duration_text(int(text))}
        case _:
            return {"stringValue": _word(text, kind)}


def duration_text(duration_ns: int) -> str:
    """Return a duration as a query would write it."""
    for unit, size in (("s", NANOSECONDS), ("ms", 10**6), ("µs", 10**3)):
        if duration_ns >= size:
            whole, rest = divmod(duration_ns, size)
            digits = f"{rest:0{len(str(size)) - 1}d}".rstrip("0")
            return f"{whole}.{digits}{unit}" if digits else f"{whole}{unit}"
    return f"{duration_ns}ns"


def _trace(found: FoundTrace) -> dict[str, Any]:
    return {
        "traceID": found.trace_id,
        "rootServiceName": found.root_service,
        "rootTraceName": found.root_name,
        "startTimeUnixNano": str(found.start_ns),
        "durationMs": min((found.end_ns - found.start_ns) // 1_000_000, _UINT32_MAX),
        "spanSets": [_set(each) for each in found.sets],
        "serviceStats": {
            service: {"spanCount": spans, "errorCount": errors}
            for service, (spans, errors) in found.services.items()
        },
    }


def _set(found: FoundSpans) -> dict[str, Any]:
    by = [{"key": f"by({name})", "value": _shown(value)} for name, value in found.by]
    return {
        "matched": found.matched,
        "spans": [_span(each) for each in found.spans],
        "attributes": by,
    }


def _span(found: FoundSpan) -> dict[str, Any]:
    return {
        "spanID": found.span_id,
        "name": found.name,
        "startTimeUnixNano": str(found.start_ns),
        "durationNanos": str(found.duration_ns),
        "attributes": [{"key": key, "value": _shown(value)} for key, value in found.values],
    }


def _labels(labels: Iterable[tuple[str, Shown]]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _shown(value)} for name, value in labels]


def _shown(value: Shown) -> dict[str, Any]:
    text, kind = value
    return {"stringValue": "nil"} if text is None else value_json(text, kind)


def _exemplar(found: Exemplar) -> dict[str, Any]:
    return {
        "labels": [
            {"key": "trace:id", "value": {"stringValue": found.trace_id}},
            {"key": "span:id", "value": {"stringValue": found.span_id}},
        ],
        "value": found.value,
        "timestampMs": str(found.time_ns // 1_000_000),
    }


def _word(text: str, kind: str) -> str:
    """Return a value as text; a word of few as a query writes it."""
    return text.lower() if kind == "keyword" else text
