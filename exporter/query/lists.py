"""Rows of lists: top traces, errors, found prompts, values of dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from exporter.query.amounts import Seconds, Usd, exact_seconds
from exporter.query.times import rfc3339

Record = Mapping[str, Any]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class TraceRow(_Row):
    """A trace: the figures of its spans that began in the time."""

    trace_id: str
    start: str = Field(description="First start, RFC 3339.")
    duration_s: Seconds = Field(description="From the first start to the last end.")
    service_name: str = Field(description="Service of the root, or of the first span.")
    name: str = Field(description="Name of the root, or of the first span.")
    has_root: bool = Field(description="Whether the root is stored; else the trace may still run.")
    spans: int
    error_spans: int = Field(description="Spans that failed.")
    calls: int = Field(description="Calls that own their usage.")
    tokens_total: int = Field(description="Tokens of all kinds; estimated ones apart.")
    estimated_tokens: int
    cost_usd: Usd | None = Field(description="Exact cost; null where no call has a price.")
    estimated_cost_usd: Usd
    unpriced_calls: int
    models: list[str] = Field(description="At most 20.")
    user_id: str
    session_id: str


class ErrorRow(_Row):
    """Calls that ended in the same way."""

    outcome: str = Field(description="rate_limited, timeout, server_error, truncated ...")
    error_type: str = Field(description="As the sender names it.")
    status: str = Field(description="error, or ok: cut off or filtered, yet no failure.")
    service_name: str
    provider: str
    model: str
    count: int
    first_seen: str = Field(description="RFC 3339.")
    last_seen: str = Field(description="RFC 3339.")
    trace_ids: list[str] = Field(description="The latest, at most 3.")
    messages: list[str] = Field(description="Frequent status messages, at most 3, cut off.")


class ValueRow(_Row):
    """A value of a dimension."""

    value: str
    spans: int = Field(description="Spans that have it.")


class DimensionRow(_Row):
    """A dimension: what usage can be grouped and selected by."""

    name: str
    column: str = Field(description="The column of otel_traces that it is read from.")
    in_rollups: bool = Field(description="Whether the usage by minute and hour has it.")


def trace_row(record: Record) -> TraceRow:
    """Return a trace as a list shows it."""
    priced = record["Calls"] - record["UnpricedCalls"]
    return TraceRow(
        trace_id=record["TraceId"],
        start=rfc3339(record["StartNs"]),
        duration_s=exact_seconds(record["EndNs"] - record["StartNs"]),
        service_name=record["RootService"],
        name=record["RootName"],
        has_root=bool(record["HasRoot"]),
        spans=record["Spans"],
        error_spans=record["ErrorSpans"],
        calls=record["Calls"],
        tokens_total=record["Tokens"],
        estimated_tokens=record["EstimatedTokens"],
        cost_usd=record["CostUsd"] if priced or not record["Calls"] else None,
        estimated_cost_usd=record["EstimatedCostUsd"],
        unpriced_calls=record["UnpricedCalls"],
        models=record["Models"],
        user_id=record["AnyUserId"],
        session_id=record["AnySessionId"],
    )


def error_row(record: Record) -> ErrorRow:
    """Return a group of errors as a list shows it."""
    return ErrorRow(
        outcome=record["Outcome"],
        error_type=record["ErrorType"],
        status=record["Status"],
        service_name=record["ServiceName"],
        provider=record["Provider"],
        model=record["Model"],
        count=record["OrderValue"],
        first_seen=rfc3339(record["FirstNs"]),
        last_seen=rfc3339(record["LastNs"]),
        trace_ids=record["TraceIds"],
        messages=record["Messages"],
    )
