-- What is computed of the spans of each step, by labels.
SELECT
    intDiv(toUnixTimestamp64Nano(Timestamp) - {start_ns:Int64}, {step_ns:Int64}) AS Step,
    /* groups */
    /* measure */ AS Value,
    /* exemplar */ AS Exemplar
FROM (/* spans */)
GROUP BY ALL
ORDER BY ALL
LIMIT {limit:UInt64}
