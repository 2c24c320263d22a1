-- What spans count, added up by groups and steps of time.
SELECT
    intDiv(toUnixTimestamp64Nano(Timestamp), {step_ns:Int64}) AS Step,
    /* groups */
    /* sums */,
    toInt64(countIf(/* any */)) AS Spans
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND /* condition */
GROUP BY ALL
HAVING Spans > 0
LIMIT {limit:UInt64}
SETTINGS output_format_arrow_low_cardinality_as_dictionary = 1
