-- Of each group and step the span that counted most.
SELECT
    intDiv(toUnixTimestamp64Nano(Timestamp), {step_ns:Int64}) AS Step,
    /* groups */
    argMax((toUnixTimestamp64Milli(Timestamp), TraceId, SpanId), /* value */) AS Most,
    max(/* value */) AS Value
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND /* condition */
    AND /* value */ > 0
GROUP BY ALL
LIMIT {limit:UInt64}
