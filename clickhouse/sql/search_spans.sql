-- The spans of some traces that were asked for: each once, and of each trace only so many.
SELECT
    TraceId,
    SpanId,
    SpanName,
    toUnixTimestamp64Nano(Timestamp) AS StartNs,
    Duration,
    count() OVER (PARTITION BY TraceId) AS Matched/* values */
FROM
(
    SELECT *
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({last_ns:Int64})
        AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano({first_ns:Int64}))
        AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(fromUnixTimestamp64Nano({last_ns:Int64}))
        AND TraceId IN {trace_ids:Array(String)}
        AND (empty({span_ids:Array(String)}) OR SpanId IN {span_ids:Array(String)})
        AND /* condition */
    ORDER BY TraceId, SpanId, UsageRole = 'duplicate'
    LIMIT 1 BY TraceId, SpanId
)
ORDER BY TraceId, Timestamp, SpanId
LIMIT {spans:UInt64} BY TraceId
LIMIT {limit:UInt64}
