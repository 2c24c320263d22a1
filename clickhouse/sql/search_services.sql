-- What the services of each trace did, with its root where it has arrived.
SELECT
    TraceId,
    ServiceName,
    uniqExact(SpanId) AS Spans,
    uniqExactIf(SpanId, StatusCode = 'Error') AS Errors,
    toUnixTimestamp64Nano(min(Timestamp)) AS StartNs,
    max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)) AS EndNs,
    countIf(ParentSpanId = '') > 0 AS HasRoot,
    argMinIf(SpanName, Timestamp, ParentSpanId = '') AS RootName,
    minIf(toUnixTimestamp64Nano(Timestamp), ParentSpanId = '') AS RootStartNs
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({last_ns:Int64})
    AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano({first_ns:Int64}))
    AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(fromUnixTimestamp64Nano({last_ns:Int64}))
    AND TraceId IN {trace_ids:Array(String)}
GROUP BY TraceId, ServiceName
LIMIT {limit:UInt64}
