"""A trace as a waterfall: its spans below their parents, and the path that its time went.

The critical path is followed from the end: the elapsed time before an instant belongs to the child
that ended last before it, where none ran to the span itself. So shortening a span that is not on
the path makes nobody wait less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from exporter.query.amounts import Seconds, Usd, exact_seconds, seconds_of
from exporter.query.times import rfc3339

Record = Mapping[str, Any]


class WaterfallSpan(BaseModel):
    """A span of a trace, in the order in which a waterfall draws them."""

    model_config = ConfigDict(frozen=True)

    depth: int = Field(description="Generations above it, 0: a root.")
    span_id: str
    parent_span_id: str = Field(description="Empty for a root.")
    parent_missing: bool = Field(description="Whether its parent is not stored (yet).")
    name: str
    service_name: str
    span_kind: str = Field(description="Internal, Server, Client, Producer, Consumer ...")
    span_class: str = Field(description="call, agent, tool, retriever ...; empty: not GenAI.")
    operation: str
    provider: str
    model: str
    agent: str
    tool: str
    status: str = Field(description="ok or error.")
    error_type: str
    outcome: str = Field(description="ok, rate_limited, timeout ...; empty: not GenAI.")
    start: str = Field(description="RFC 3339.")
    offset_s: Seconds = Field(description="Start after the first start of the trace.")
    duration_s: Seconds
    critical_s: Seconds = Field(description="Its own part of the critical path; 0: not on it.")
    ttft_s: Seconds | None = Field(description="Time to the first token.")
    usage_role: str = Field(description="own: its usage is counted; empty: it has none.")
    tokens_total: int | None = Field(
        description="Tokens of all kinds; null: not known, or counted at another span."
    )
    tokens_estimated: bool
    cost_usd: Usd | None = Field(description="Null: no price, no call, or counted elsewhere.")
    unpriced_reason: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a span stands: its position among the records, its depth, its critical nanoseconds."""

    position: int
    depth: int
    parent_missing: bool
    critical_ns: int


def waterfall(
    records: Sequence[Record], first: int = 0, behind: int | None = None
) -> list[WaterfallSpan]:
    """Return the spans of a trace, which come in the order of their starts, as a waterfall.

    `first`, `behind`: only its rows from one up to, not with, another.
    """
    if not records:
        return []
    first_ns = min(record["StartNs"] for record in records)
    places = placed(records)[first:behind]
    return [_shown(records[place.position], place, first_ns) for place in places]


def placed(records: Sequence[Record]) -> list[Placed]:
    """Return every span once below its parent; loops are cut open at their first span."""
    children, roots, missing = _families(records)
    critical = _critical(records, children, roots)
    found: list[Placed] = []
    stack = [(root, 0) for root in reversed(roots)]
    while stack:
        position, depth = stack.pop()
        found.append(Placed(position, depth, position in missing, critical[position]))
        stack += [(child, depth + 1) for child in reversed(children[position])]
    return found


def _families(records: Sequence[Record]) -> tuple[list[list[int]], list[int], set[int]]:
    """Return the children of each span, the roots, and those of them whose parent is missing."""
    position_of = {record["SpanId"]: at for at, record in reversed(list(enumerate(records)))}
    parents = [position_of.get(record["ParentSpanId"]) for record in records]
    for at in _loop_entries(parents):
        parents[at] = None
    children: list[list[int]] = [[] for _ in records]
    roots: list[int] = []
    for at, parent in enumerate(parents):
        (roots if parent is None else children[parent]).append(at)
    missing = {at for at in roots if records[at]["ParentSpanId"]}
    return children, roots, missing


def _loop_entries(parents: Sequence[int | None]) -> list[int]:
    """Return the first span of each loop."""
    state = [0] * len(parents)  # 0: not seen, 1: on the way from here, 2: done
    entries: list[int] = []
    for start in range(len(parents)):
        way: list[int] = []
        at: int | None = start
        while at is not None and not state[at]:
            state[at] = 1
            way.append(at)
            at = parents[at]
        if at is not None and state[at] == 1:
            entries.append(min(way[way.index(at) :]))
        for each in way:
            state[each] = 2
    return entries


def _critical(
    records: Sequence[Record], children: Sequence[Sequence[int]], roots: Sequence[int]
) -> list[int]:
    """Return each span's nanoseconds on the critical path of the whole trace."""
    starts = [record["StartNs"] for record in records]
    ends = [record["StartNs"] + record["DurationNs"] for record in records]
    critical = [0] * len(records)
    # Above the roots stands the trace itself, which waits where nothing runs.
    stack = [(-1, min(starts), max(ends))]
    while stack:
        span, start, end = stack.pop()
        below = roots if span < 0 else children[span]
        until, own = end, 0
        for child in sorted(below, key=lambda at: (-min(ends[at], end), -starts[at], at)):
            child_start, child_end = max(starts[child], start), min(ends[child], end)
            if child_end > until or child_end <= child_start:
                continue
            own += until - child_end
            stack.append((child, child_start, child_end))
            until = child_start
        if span >= 0:
            critical[span] = own + until - start
    return critical


def _shown(record: Record, place: Placed, first_ns: int) -> WaterfallSpan:
    counts = record["UsageRole"] == "own"
    has_tokens = counts and record["UsageSource"] != "missing"
    return WaterfallSpan(
        depth=place.depth,
        span_id=record["SpanId"],
        parent_span_id=record["ParentSpanId"],
        parent_missing=place.parent_missing,
        name=record["SpanName"],
        service_name=record["ServiceName"],
        span_kind=record["SpanKind"],
        span_class=record["SpanClass"],
        operation=record["Operation"],
        provider=record["Provider"],
        model=record["Model"],
        agent=record["Agent"],
        tool=record["Tool"],
        status=record["SpanStatus"],
        error_type=record["ErrorType"],
        outcome=record["Outcome"],
        start=rfc3339(record["StartNs"]),
        offset_s=exact_seconds(record["StartNs"] - first_ns),
        duration_s=exact_seconds(record["DurationNs"]),
        critical_s=exact_seconds(place.critical_ns),
        ttft_s=seconds_of(record["TimeToFirstToken"]),
        usage_role=record["UsageRole"],
        tokens_total=record["Tokens"] if has_tokens else None,
        tokens_estimated=record["UsageSource"] == "estimated",
        cost_usd=record["CostUsd"] if counts else None,
        unpriced_reason=record["UnpricedReason"],
    )
