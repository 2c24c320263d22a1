-- The traces whose root meets a condition: a part of other questions, which have limits.
SELECT TraceId
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano(/* start */)
    AND Timestamp < fromUnixTimestamp64Nano(/* end */)
    AND ParentSpanId = ''
    AND /* condition */
