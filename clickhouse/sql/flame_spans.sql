-- Spans as a flame graph takes them: keys, times, what each counts, and texts. Besides the spans
-- that are asked for the others of their traces come along, counting nothing: they are the paths.
SELECT
    cityHash64(TraceId) AS TraceKey,
    reinterpretAsUInt64(unhex(SpanId)) AS SpanKey,
    reinterpretAsUInt64(unhex(ParentSpanId)) AS ParentKey,
    toUnixTimestamp64Nano(Timestamp) AS StartNs,
    StartNs + toInt64(Duration) AS EndNs,
    if(Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64}) AND /* condition */, /* value */, 0)
        AS Value
    /* texts */
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({before_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND /* traces */
LIMIT {limit:UInt64}
SETTINGS output_format_arrow_low_cardinality_as_dictionary = 1
