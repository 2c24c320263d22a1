"""The answers of trace searches as the tables that Grafana's Tempo data source makes of them.

A list of traces has the fields traceID, startTime, traceService, traceName and traceDuration. A
list of spans has one for each attribute that was selected, under the attribute's own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.pictures.fields import Frame, field


def traces_frame(found: Sequence[Mapping[str, Any]]) -> Frame:
    """One row for each trace."""
    starts = [int(one["startTimeUnixNano"]) / 1e6 for one in found]
    took = [one.get("durationMs", 0) for one in found]
    return {
        "fields": [
            field("traceID", "string", [one["traceID"] for one in found]),
            _named("startTime", "Start time", starts, "time"),
            _named("traceService", "Service", [one.get("rootServiceName") for one in found]),
            _named("traceName", "Name", [one.get("rootTraceName") for one in found]),
            _named("traceDuration", "Duration", took, "number", unit="ms"),
        ]
    }


def spans_frame(found: Sequence[Mapping[str, Any]]) -> Frame:
    """One row for each span that was found."""
    rows = list(_spans(found))
    selected = sorted({key for _, _, attributes in rows for key in attributes})
    starts = [int(span["startTimeUnixNano"]) / 1e6 for _, span, _ in rows]
    took = [int(span["durationNanos"]) for _, span, _ in rows]
    return {
        "fields": [
            _named("traceService", "Trace Service", [t.get("rootServiceName") for t, _, _ in rows]),
            _named("traceName", "Trace Name", [t.get("rootTraceName") for t, _, _ in rows]),
            _named("spanID", "Span ID", [span["spanID"] for _, span, _ in rows]),
            _named("time", "Start time", starts, "time"),
            _named("name", "Name", [span.get("name") for _, span, _ in rows]),
            *(_named(key, key, [each.get(key) for *_, each in rows]) for key in selected),
            _named("duration", "Duration", took, "number", unit="ns"),
        ]
    }


def _spans(
    found: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]:
    """Each span with its trace before it, and its attributes behind it."""
    for trace in found:
        for group in trace["spanSets"]:
            for span in group["spans"]:
                listed = [*group.get("attributes", ()), *span.get("attributes", ())]
                values = {each["key"]: next(iter(each["value"].values())) for each in listed}
                yield trace, span, values


def _named(
    name: str, title: str, values: Sequence[Any], kind: str = "string", **config: Any
) -> Frame:
    return field(name, kind, values, config={"displayNameFromDS": title, **config})
