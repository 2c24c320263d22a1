-- The parents whose number of children meets a condition: a part of other questions, which have limits.
SELECT TraceId, ParentSpanId
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano(/* start */)
    AND Timestamp < fromUnixTimestamp64Nano(/* end */)
    AND ParentSpanId != ''
GROUP BY TraceId, ParentSpanId
HAVING /* condition */
