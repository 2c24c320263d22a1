-- The same of each span once, the one that owns its usage rather than one that repeats it.
SELECT *
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND /* condition */
ORDER BY UsageRole = 'duplicate'
LIMIT 1 BY TraceId, SpanId
