"""The names that TraceQL gives to what a span, its resource and its trace say."""

from __future__ import annotations

import re
from collections.abc import Mapping

from exporter.query.traceql.ast import Named
from exporter.spans.condition import (
    AttributeField,
    ColumnField,
    Field,
    PlaceField,
    Scope,
    TraceField,
)
from exporter.spans.schema import SPAN_COLUMNS, SPAN_KINDS, STATUS_CODES, TOKEN_KINDS

PREFIX = "observatory."
"""Before the names of what we found out about a span: `span.observatory.cost_usd`."""

DERIVED: dict[str, str] = {
    "cost_usd": "CostUsd",
    "tokens.total": "TokensTotal",
    **{f"tokens.{kind.name}": kind.column for kind in TOKEN_KINDS},
    "time_to_first_token": "TimeToFirstToken",
    "class": "SpanClass",
    "convention": "Convention",
    "operation": "Operation",
    "provider": "Provider",
    "model": "Model",
    "usage_role": "UsageRole",
    "usage_source": "UsageSource",
    "cost_source": "CostSource",
    "unpriced_reason": "UnpricedReason",
    "outcome": "Outcome",
    "error_type": "ErrorType",
    "finish_reason": "FinishReason",
    "feature": "Feature",
    "endpoint": "Endpoint",
    "tenant": "Tenant",
    "environment": "Environment",
    "release": "Release",
    "agent": "Agent",
    "tool": "Tool",
    "prompt_version": "PromptVersion",
    "user": "UserId",
    "session": "SessionId",
}
"""The column of each of them."""

NUMERIC = frozenset(
    {
        "Duration",
        *(c for name, c in DERIVED.items() if name.split(".")[0] in {"cost_usd", "tokens"}),
        "TimeToFirstToken",
    }
)
"""Columns that can be added up."""
DURATIONS = frozenset({"Duration", "TimeToFirstToken", TraceField.DURATION})
"""Columns and trace fields that are times, in nanoseconds."""
KEYWORDS: dict[str, dict[str, str]] = {
    "StatusCode": {code.lower(): code for code in STATUS_CODES},
    "SpanKind": {kind.lower(): kind for kind in SPAN_KINDS},
}
"""For columns of few values: how a query writes each."""
ROOT = "nestedSetParent"
"""Below 0 for a root, which is all that can be compared of it."""

OF_PARENT = "parent."
"""Before the name of an attribute of a span's parent."""

INTRINSICS: dict[str, Field] = {
    "name": ColumnField("SpanName"),
    "span:name": ColumnField("SpanName"),
    "status": ColumnField("StatusCode"),
    "span:status": ColumnField("StatusCode"),
    "statusMessage": ColumnField("StatusMessage"),
    "span:statusMessage": ColumnField("StatusMessage"),
    "kind": ColumnField("SpanKind"),
    "span:kind": ColumnField("SpanKind"),
    "duration": ColumnField("Duration"),
    "span:duration": ColumnField("Duration"),
    "span:id": ColumnField("SpanId"),
    "span:parentID": ColumnField("ParentSpanId"),
    ROOT: PlaceField.PARENT,
    "nestedSetLeft": PlaceField.LEFT,
    "nestedSetRight": PlaceField.RIGHT,
    "childCount": PlaceField.CHILDREN,
    "span:childCount": PlaceField.CHILDREN,
    "trace:id": ColumnField("TraceId"),
    "traceDuration": TraceField.DURATION,
    "trace:duration": TraceField.DURATION,
    "rootName": TraceField.ROOT_NAME,
    "trace:rootName": TraceField.ROOT_NAME,
    "rootServiceName": TraceField.ROOT_SERVICE,
    "trace:rootService": TraceField.ROOT_SERVICE,
    "event:name": ColumnField("Events.Name"),
    "link:traceID": ColumnField("Links.TraceId"),
    "link:spanID": ColumnField("Links.SpanId"),
    "instrumentation:name": ColumnField("ScopeName"),
    "instrumentation:version": ColumnField("ScopeVersion"),
}
_OF_FEW_WORDS = {each.name for each in SPAN_COLUMNS if "LowCardinality" in each.clickhouse}
COMPARED: dict[str, ColumnField] = {
    **{
        name: ColumnField(column)
        for name, column in (
            ("name", "SpanName"),
            ("status", "StatusCode"),
            ("statusMessage", "StatusMessage"),
            ("kind", "SpanKind"),
            ("instrumentation:name", "ScopeName"),
        )
    },
    **{
        f"span.{PREFIX}{name}": ColumnField(column)
        for name, column in DERIVED.items()
        if column in _OF_FEW_WORDS
    },
}
"""What `compare` compares besides attributes: what has few values."""
IDS: Mapping[str, int] = {
    "TraceId": 32,
    "SpanId": 16,
    "ParentSpanId": 16,
    "Links.TraceId": 32,
    "Links.SpanId": 16,
}
"""Columns of ids, with their digits."""

_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"')
_ESCAPED = re.compile(r"\\(.)")


def intrinsic(name: str) -> Named | None:
    """Return a field that has a name of its own, None when there is none of this name."""
    found = INTRINSICS.get(name)
    return None if found is None else Named(name, found)


def attribute(text: str) -> Named:
    """Return the field of `span.key`, `resource.key`, `.key` ...; parts of a key may be quoted.

    Keys that begin with `PREFIX` are of the span, and ours.
    """
    of_span = text.removeprefix(OF_PARENT)
    # `parent.key` is of the parent, else of its resource.
    scoped = of_span.split(".")[0] in set(Scope)
    before, _, key = (of_span if of_span == text or scoped else f".{of_span}").partition(".")
    key = _QUOTED.sub(lambda found: _ESCAPED.sub(r"\1", found[1]), key)
    scope = Scope(before)
    column = DERIVED.get(key.removeprefix(PREFIX)) if key.startswith(PREFIX) else None
    if column is not None and scope in {Scope.SPAN, Scope.ANY}:
        return Named(text, ColumnField(column))
    return Named(text, AttributeField(scope, key))


def is_of_span(named: Named) -> bool:
    """Return whether a span's own row says it, and no other row of its trace."""
    return isinstance(named.field, ColumnField | AttributeField)


def is_attribute(named: Named) -> bool:
    """Return whether a field is something that a span may lack: an attribute, sent or derived."""
    return isinstance(named.field, AttributeField) or "." in named.name
