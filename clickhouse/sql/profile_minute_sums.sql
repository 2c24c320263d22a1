-- The same from the usage by minute.
SELECT
    intDiv(toInt64(toUnixTimestamp(Time)) * 1000000000, {step_ns:Int64}) AS Step,
    /* groups */
    /* sums */,
    toInt64(sumIf(Requests, /* any */)) AS Spans
FROM llm_usage_1m
WHERE Time >= toDateTime(intDiv({start_ns:Int64}, 1000000000))
    AND Time < toDateTime(intDiv({end_ns:Int64}, 1000000000))
    AND /* condition */
GROUP BY ALL
HAVING Spans > 0
LIMIT {limit:UInt64}
SETTINGS output_format_arrow_low_cardinality_as_dictionary = 1
