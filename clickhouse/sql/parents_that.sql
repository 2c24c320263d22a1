-- The spans that meet a condition, to be found as parents: a part of other questions, which have limits.
SELECT TraceId, SpanId
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano(/* start */)
    AND Timestamp < fromUnixTimestamp64Nano(/* end */)
    AND /* condition */
