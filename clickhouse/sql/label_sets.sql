-- Distinct combinations of labels, the most frequent first.
SELECT /* columns */
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND /* condition */
GROUP BY ALL
ORDER BY count() DESC, /* columns */
LIMIT {limit:UInt64}
