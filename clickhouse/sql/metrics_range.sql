-- What is computed of the spans of each step, by labels.
SELECT
    intDiv(toUnixTimestamp64Nano(Timestamp) - {start_ns:Int64}, {step_ns:Int64}) AS Step,
    /* groups */
    /* measure */ AS Value,
    /* exemplar */ AS Exemplar
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND UsageRole != 'duplicate'
    AND /* condition */
GROUP BY ALL
ORDER BY ALL
LIMIT {limit:UInt64}
