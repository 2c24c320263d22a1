-- The values of a dimension among spans, in the order of the alphabet.
SELECT Value, Spans
FROM
(
    SELECT toString(/* column */) AS Value, count() AS Spans
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND Value != ''
        AND positionCaseInsensitiveUTF8(Value, {search:String}) > 0
        AND (/* condition */)
    GROUP BY Value
)
WHERE Value > {after:String}
ORDER BY Value
LIMIT {limit:UInt64}
