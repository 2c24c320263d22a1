-- Every span of some traces: its place, what it meets, and the values that stages compute with.
SELECT
    TraceId,
    SpanId,
    ParentSpanId,
    Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64}) AS Asked/* values */
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({last_ns:Int64})
    AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano({first_ns:Int64}))
    AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(fromUnixTimestamp64Nano({last_ns:Int64}))
    AND TraceId IN {trace_ids:Array(String)}
ORDER BY Timestamp, SpanId, UsageRole = 'duplicate'
LIMIT 1 BY TraceId, SpanId
LIMIT {limit:UInt64}
