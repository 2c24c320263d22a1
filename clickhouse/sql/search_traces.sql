-- The traces that have the spans asked for, the first in this order.
SELECT TraceId
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND /* any */
GROUP BY TraceId
HAVING /* all */
ORDER BY /* order */, TraceId
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
