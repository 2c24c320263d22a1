-- The ids of traces from their keys in a flame graph.
SELECT DISTINCT
    cityHash64(TraceId) AS TraceKey,
    TraceId
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND cityHash64(TraceId) IN {keys:Array(UInt64)}
LIMIT {limit:UInt64}
