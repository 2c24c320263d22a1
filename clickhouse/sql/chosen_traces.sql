-- Part of other questions: the traces that have a span of a condition.
TraceId IN
(
    SELECT DISTINCT TraceId
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND (/* condition */)
)
