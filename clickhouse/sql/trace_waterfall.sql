-- What a waterfall shows of each span of a trace, without attributes and content. A span that came
-- twice is there twice, the one that counts first.
SELECT
    SpanId,
    ParentSpanId,
    SpanName,
    ServiceName,
    SpanKind,
    toUnixTimestamp64Nano(Timestamp) AS StartNs,
    Duration AS DurationNs,
    SpanClass,
    Operation,
    Provider,
    Model,
    Agent,
    Tool,
    if(Status = 'error' OR StatusCode = 'Error', 'error', Status) AS SpanStatus,
    ErrorType,
    Outcome,
    UsageRole,
    UsageSource,
    TimeToFirstToken,
    /* tokens */ AS Tokens,
    CostUsd,
    CostSource,
    UnpricedReason
FROM otel_traces
PREWHERE TraceId = {trace_id:String}
    AND toStartOfFiveMinutes(Timestamp) BETWEEN {first_s:UInt32} AND {last_s:UInt32}
ORDER BY StartNs, DurationNs DESC, SpanId, UsageRole = 'duplicate'
LIMIT 1 BY SpanId
LIMIT {limit:UInt64}
