cityHash64(TraceId) IN
(
    SELECT cityHash64(TraceId)
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND /* condition */
)
