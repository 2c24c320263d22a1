-- Part of other questions: the spans of a condition.
(TraceId, SpanId) IN
(
    SELECT TraceId, SpanId
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND SpanClass != ''
        AND (/* condition */)
)
