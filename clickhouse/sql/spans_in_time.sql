-- The rows of a time that meet a condition: a part of other questions, which have limits.
SELECT *
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND /* condition */
