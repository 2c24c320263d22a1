-- The traces whose spans together meet a condition: a part of other questions, which have limits.
SELECT TraceId
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano(/* start */)
    AND Timestamp < fromUnixTimestamp64Nano(/* end */)
GROUP BY TraceId
HAVING /* condition */
