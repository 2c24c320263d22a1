-- Ids of the traces that are first in an order, by narrow columns only. With a condition: the traces
-- that have a span of it; the figures are those of all their spans that began in the time.
SELECT TraceId, OrderValue
FROM
(
    SELECT TraceId, toInt64(/* order */) AS OrderValue
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND (/* needed */)
        AND (/* chosen */)
    GROUP BY TraceId
)
WHERE OrderValue > {above:Int64} AND (/* after */)
ORDER BY OrderValue DESC, TraceId
LIMIT {limit:UInt64}
