"""The canonical fields that a convention can fill, and the classes that an operation falls in."""

from __future__ import annotations

# Text fields, and the column of the batch that each one fills.
TEXT_FIELDS: dict[str, str] = {
    "operation": "Operation",
    "provider": "Provider",
    "request_model": "RequestModel",
    "response_model": "ResponseModel",
    "response_id": "ResponseId",
    "finish_reason": "FinishReason",
    "service_tier": "ServiceTier",
    "error_type": "ErrorType",
    "user": "UserId",
    "session": "SessionId",
    "feature": "Feature",
    "endpoint": "Endpoint",
    "tenant": "Tenant",
    "environment": "Environment",
    "release": "Release",
    "agent": "Agent",
    "tool": "Tool",
    "prompt_version": "PromptVersion",
    "input": "Input",
    "output": "Output",
    "system": "System",
}

# Token counts as reported: the first two are totals, the others are parts of one of them, or are
# beside it where a source leaves them out (see tokens.py).
COUNT_FIELDS: tuple[str, ...] = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_audio_tokens",
    "output_image_tokens",
)

# Durations, and the column of nanoseconds that each one fills.
TIME_FIELDS: dict[str, str] = {"ttft": "TimeToFirstToken", "tpot": "TimePerOutputToken"}

MONEY_FIELDS: dict[str, str] = {"reported_cost": "ReportedCostUsd"}

# Text fields that fill no column of their own.
HELPER_FIELDS: tuple[str, ...] = (
    "exception_type",
    "exception_message",
    "http_status",
    "cache_hit",
)

FIELDS: frozenset[str] = frozenset(
    {*TEXT_FIELDS, *HELPER_FIELDS, *COUNT_FIELDS, *TIME_FIELDS, *MONEY_FIELDS}
)

# Fields whose values are few: their columns are dictionary-encoded from the start.
HIGH_CARDINALITY: frozenset[str] = frozenset(
    {"response_id", "user", "session", "input", "output", "system"}
)

# Fields that hold what was asked and answered.
CONTENT_FIELDS: frozenset[str] = frozenset({"input", "output", "system"})

CALL = "call"
# Counted nowhere: the same span comes again.
PENDING = "pending"

# The UsageSource of a call without usage, when a span above it is counted with the usage of all.
REPORTED_ABOVE = "above"

# What a span is, by its operation (OpenTelemetry's names, and ours where it has none). Only a
# call is billed by a provider; the others are structure. An operation that is not listed leaves
# the span unclassed, so that a new name is seen before it is counted.
CLASS_OF_OPERATION: dict[str, str] = {
    "chat": CALL,
    "text_completion": CALL,
    "generate_content": CALL,
    "embeddings": CALL,
    "rerank": CALL,
    "image_generation": CALL,
    "transcription": CALL,
    "speech": CALL,
    "create_agent": "agent",
    "invoke_agent": "agent",
    "execute_tool": "tool",
    "retrieval": "retriever",
    "invoke_workflow": "workflow",
    "plan": "workflow",
    "chain": "chain",
    "task": "chain",
    "prompt": "chain",
    "wrapper": "wrapper",
    "guardrail": "guardrail",
    "evaluator": "evaluator",
    "fetch_response": "lookup",
    "create_memory": "memory",
    "search_memory": "memory",
    "update_memory": "memory",
    "upsert_memory": "memory",
    "delete_memory": "memory",
    # What Logfire sends when a span starts; the span itself comes when it ends.
    "pending": PENDING,
}

# A call below one of these is another call than the one above it.
APART_CLASSES: tuple[str, ...] = ("agent", "tool")
# What repeats usage that was counted when it came about.
NEVER_CLASSES: frozenset[str] = frozenset({"lookup", "pending"})
