-- The traces of spans that began in a time.
SELECT DISTINCT TraceId
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND SpanId IN {span_ids:Array(String)}
LIMIT {limit:UInt64}
