"""The columns of a span, declared once.

A column has one name, the ClickHouse one: in a batch, in the table, in a query. The first group
is `otel_traces` as the OpenTelemetry Collector's ClickHouse exporter writes it, so that tools
which know that table work on ours. The others are ours: what is needed to give a span back
exactly as it came, and what is promoted out of the attributes because people group by it.

Null means "not known"; it is never written as 0. Text that is not known is an empty string in
the tables, because a nullable LowCardinality column costs more than the distinction is worth.
Times and durations are integer nanoseconds; money is a decimal with nine digits (nano-dollars).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import pyarrow as pa

NANOSECONDS = 1_000_000_000

_STRING = "String"
_LOW = "LowCardinality(String)"
_MAP = "Map(LowCardinality(String), String)"
_TIME = "DateTime64(9)"
_UINT32 = "UInt32"
_COUNT = "Nullable(UInt64)"
_MONEY = "Nullable(Decimal(18, 9))"

# Arrow types that every value of a ClickHouse type is sent as. LowCardinality takes plain or
# dictionary-encoded strings alike, so the batch decides per column.
ARROW_TYPES: dict[str, pa.DataType] = {
    _STRING: pa.string(),
    _LOW: pa.string(),
    _MAP: pa.map_(pa.string(), pa.string()),
    "Map(LowCardinality(String), UInt64)": pa.map_(pa.string(), pa.uint64()),
    _TIME: pa.timestamp("ns"),
    _UINT32: pa.uint32(),
    "UInt64": pa.uint64(),
    _COUNT: pa.uint64(),
    "Nullable(Bool)": pa.bool_(),
    _MONEY: pa.decimal64(18, 9),
    f"Array({_TIME})": pa.list_(pa.timestamp("ns")),
    f"Array({_STRING})": pa.list_(pa.string()),
    f"Array({_LOW})": pa.list_(pa.string()),
    f"Array({_UINT32})": pa.list_(pa.uint32()),
    f"Array({_MAP})": pa.list_(pa.map_(pa.string(), pa.string())),
}


class ValueKind(IntEnum):
    """Which member of the OTLP `AnyValue` oneof an attribute holds."""

    EMPTY = 0
    STRING = 1
    BOOL = 2
    INT = 3
    DOUBLE = 4
    ARRAY = 5
    KVLIST = 6
    BYTES = 7
    STRINDEX = 8


# What an `...Types` map says of an attribute; a string is not listed there, unless its key occurs
# twice: the nth entry of a key belongs to its nth value. A nested value is
# listed with its OTLP/JSON instead, because its plain text does not tell 1 from 1.0.
KIND_NAMES: dict[ValueKind, str] = {
    ValueKind.EMPTY: "empty",
    ValueKind.BOOL: "bool",
    ValueKind.INT: "int",
    ValueKind.DOUBLE: "double",
    ValueKind.BYTES: "bytes",
    ValueKind.STRINDEX: "strindex",
}

SPAN_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
STATUS_CODES = ("Unset", "Ok", "Error")
STATUS_ERROR = 2


@dataclass(frozen=True, slots=True)
class TokenKind:
    """A disjoint kind of tokens: the kinds of a call add up to its total."""

    name: str
    """The `token_type` label."""
    column: str
    """The column of its count."""
    cost: str
    """The `cost_type` label under which its cost is added up."""
    meaning: str

    @property
    def is_output(self) -> bool:
        """Whether the model made these tokens; else it was given them."""
        return self.cost in {"output", "reasoning"}


TOKEN_KINDS: tuple[TokenKind, ...] = (
    TokenKind("input", "TokensInput", "input", "input tokens of text that no cache served"),
    TokenKind("input_audio", "TokensInputAudio", "input", "uncached input tokens of audio"),
    TokenKind("input_image", "TokensInputImage", "input", "uncached input tokens of images"),
    TokenKind("cache_read", "TokensCacheRead", "cache_read", "input tokens read from a cache"),
    TokenKind(
        "cache_write",
        "TokensCacheWrite",
        "cache_write",
        "input tokens written to a cache (5 minutes, or life unknown)",
    ),
    TokenKind(
        "cache_write_1h",
        "TokensCacheWrite1h",
        "cache_write",
        "input tokens written to a cache for an hour",
    ),
    TokenKind("output", "TokensOutput", "output", "output tokens of text, without reasoning"),
    TokenKind("reasoning", "TokensReasoning", "reasoning", "output tokens spent on reasoning"),
    TokenKind("output_audio", "TokensOutputAudio", "output", "output tokens of audio"),
    TokenKind("output_image", "TokensOutputImage", "output", "output tokens of images"),
)

COST_COLUMNS: dict[str, str] = {
    "input": "CostInputUsd",
    "cache_read": "CostCacheReadUsd",
    "cache_write": "CostCacheWriteUsd",
    "output": "CostOutputUsd",
    "reasoning": "CostReasoningUsd",
    "request": "CostRequestUsd",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its ClickHouse type and what a value means."""

    name: str
    clickhouse: str
    meaning: str

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type that rows are sent in."""
        return ARROW_TYPES[self.clickhouse]


COLLECTOR_COLUMNS: tuple[Column, ...] = (
    Column("Timestamp", _TIME, "start of the span"),
    Column("TraceId", _STRING, "trace id, 32 lower-case hex digits"),
    Column("SpanId", _STRING, "span id, 16 lower-case hex digits"),
    Column("ParentSpanId", _STRING, "parent's span id, empty for a root"),
    Column("TraceState", _STRING, "W3C tracestate"),
    Column("SpanName", _LOW, "name of the span"),
    Column("SpanKind", _LOW, "Unspecified, Internal, Server, Client, Producer or Consumer"),
    Column("ServiceName", _LOW, "resource attribute service.name"),
    Column("ResourceAttributes", _MAP, "attributes of the resource, as text"),
    Column("ScopeName", _STRING, "name of the instrumentation scope"),
    Column("ScopeVersion", _STRING, "version of the instrumentation scope"),
    Column("SpanAttributes", _MAP, "attributes of the span, as text, without content"),
    Column("Duration", "UInt64", "end minus start, nanoseconds"),
    Column("StatusCode", _LOW, "Unset, Ok or Error"),
    Column("StatusMessage", _STRING, "the status message"),
    Column("Events.Timestamp", f"Array({_TIME})", "time of each event"),
    Column("Events.Name", f"Array({_LOW})", "name of each event"),
    Column("Events.Attributes", f"Array({_MAP})", "attributes of each event, as text"),
    Column("Links.TraceId", f"Array({_STRING})", "trace id of each link"),
    Column("Links.SpanId", f"Array({_STRING})", "span id of each link"),
    Column("Links.TraceState", f"Array({_STRING})", "tracestate of each link"),
    Column("Links.Attributes", f"Array({_MAP})", "attributes of each link, as text"),
)

FIDELITY_COLUMNS: tuple[Column, ...] = (
    Column("SpanAttributeTypes", _MAP, "kind of each attribute that is not a string"),
    Column("ResourceAttributeTypes", _MAP, "the same for the resource"),
    Column("ScopeAttributes", _MAP, "attributes of the scope, as text"),
    Column("ScopeAttributeTypes", _MAP, "the same for the scope"),
    Column("ResourceSchemaUrl", _LOW, "schema_url of the resource"),
    Column("ScopeSchemaUrl", _LOW, "schema_url of the scope"),
    Column("ResourceEntityRefs", _LOW, "entity references of the resource, as JSON; empty: none"),
    Column("Flags", _UINT32, "W3C trace flags and OTLP's parent-is-remote bits"),
    Column("DroppedAttributesCount", _UINT32, "attributes that the SDK dropped"),
    Column("DroppedEventsCount", _UINT32, "events that the SDK dropped"),
    Column("DroppedLinksCount", _UINT32, "links that the SDK dropped"),
    Column("ResourceDroppedAttributesCount", _UINT32, "resource attributes dropped"),
    Column("ScopeDroppedAttributesCount", _UINT32, "scope attributes dropped"),
    Column("Events.AttributeTypes", f"Array({_MAP})", "kinds of each event's attributes"),
    Column("Events.DroppedAttributesCount", f"Array({_UINT32})", "dropped by the SDK"),
    Column("Links.AttributeTypes", f"Array({_MAP})", "kinds of each link's attributes"),
    Column("Links.DroppedAttributesCount", f"Array({_UINT32})", "dropped by the SDK"),
    Column("Links.Flags", f"Array({_UINT32})", "W3C flags of each link"),
)

GENAI_COLUMNS: tuple[Column, ...] = (
    Column("Convention", _LOW, "convention that recognised the span, empty: none"),
    Column("SpanClass", _LOW, "call, agent, tool, retriever, chain ...; empty: not GenAI"),
    Column("Operation", _LOW, "gen_ai.operation.name: chat, embeddings, execute_tool ..."),
    Column("Provider", _LOW, "gen_ai.provider.name: openai, anthropic, aws.bedrock ..."),
    Column("RequestModel", _LOW, "model as asked for"),
    Column("ResponseModel", _LOW, "model as answered"),
    Column("Model", _LOW, "price list's id where it knows the model, else as sent"),
    Column("ResponseId", _STRING, "provider's id of the answer"),
    Column("FinishReason", _LOW, "why generation stopped: stop, length, tool_calls ..."),
    Column("ServiceTier", _LOW, "tier that the provider charged: default, flex, priority ..."),
    Column("CacheHit", "Nullable(Bool)", "whether a gateway answered from its own cache"),
    Column("Status", _LOW, "ok or error"),
    Column("ErrorType", _LOW, "error.type, or the exception's type; empty: no error"),
    Column("Outcome", _LOW, "ok, rate_limited, timeout ... other (outcome.py); empty: not GenAI"),
    Column("TimeToFirstToken", _COUNT, "start to first token, nanoseconds"),
    Column("TimePerOutputToken", _COUNT, "mean time per token after the first, nanoseconds"),
    Column("UsageRole", _LOW, "own: counted; other roles are not; empty: no call"),
    Column(
        "UsageSource",
        _LOW,
        "reported, estimated, missing, or above: by an agent above; empty: no call",
    ),
    Column(
        "ReportedUsage",
        "Map(LowCardinality(String), UInt64)",
        "token counts as the sender reported them, before they were made disjoint",
    ),
    *(Column(kind.column, _COUNT, kind.meaning) for kind in TOKEN_KINDS),
    Column("CostUsd", _MONEY, "cost that is counted, US dollars"),
    *(Column(name, _MONEY, f"part of it: {kind}") for kind, name in COST_COLUMNS.items()),
    Column("ReportedCostUsd", _MONEY, "cost that the sender reported, US dollars"),
    Column("ComputedCostUsd", _MONEY, "our cost, where the reported one counts, US dollars"),
    Column("CostSource", _LOW, "computed, reported, or empty: unpriced"),
    Column("UnpricedReason", _LOW, "why a call has no cost"),
    Column("PriceId", _LOW, "entry of the price list that was used"),
    Column("PriceVersion", _LOW, "price list and version that was used"),
    Column("UserId", _STRING, "end user"),
    Column("SessionId", _STRING, "conversation or session"),
    Column("Feature", _LOW, "feature of the product"),
    Column("Endpoint", _LOW, "route or endpoint"),
    Column("Tenant", _LOW, "customer, team or organisation"),
    Column("Environment", _LOW, "deployment.environment.name"),
    Column("Release", _LOW, "service.version"),
    Column("Agent", _LOW, "gen_ai.agent.name"),
    Column("Tool", _LOW, "gen_ai.tool.name"),
    Column("PromptVersion", _LOW, "version of the prompt template"),
)

SPAN_COLUMNS: tuple[Column, ...] = (*COLLECTOR_COLUMNS, *FIDELITY_COLUMNS, *GENAI_COLUMNS)

# Not in the table: what questions may ask for besides, computed where it is read.
DERIVED_COLUMNS: tuple[Column, ...] = (
    Column("TokensTotal", _COUNT, "tokens of every kind, null where none is known"),
)

CONTENT_COLUMNS: tuple[Column, ...] = (
    Column("Timestamp", _TIME, "start of the span"),
    Column("TraceId", _STRING, "trace id, 32 lower-case hex digits"),
    Column("SpanId", _STRING, "span id, 16 lower-case hex digits"),
    Column("ServiceName", _LOW, "resource attribute service.name"),
    Column("Model", _LOW, "as in otel_traces"),
    Column("Input", _STRING, "what was asked, as plain text without system instructions"),
    Column("Output", _STRING, "what was answered, as plain text"),
    Column("System", _STRING, "system instructions, as plain text"),
    Column("InputMessages", _STRING, "all of it as messages, JSON of gen_ai.input.messages"),
    Column("OutputMessages", _STRING, "the answers, JSON of gen_ai.output.messages"),
    Column("ToolDefinitions", _STRING, "tools offered, JSON of gen_ai.tool.definitions"),
    Column("Attributes", _MAP, "the span attributes that hold content, as text"),
    Column("AttributeTypes", _MAP, "kind of each of them that is not a string"),
    Column("AttributePositions", f"Array({_UINT32})", "place of each among the span's attributes"),
)

SPANS_TABLE = "otel_traces"
CONTENT_TABLE = "llm_content"
TABLES: dict[str, tuple[Column, ...]] = {SPANS_TABLE: SPAN_COLUMNS, CONTENT_TABLE: CONTENT_COLUMNS}
