-- The values that a field has among recent spans, the most frequent first.
SELECT /* text */ AS Text, /* kind */ AS Kind
FROM
(
    SELECT *
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND /* condition */
    ORDER BY toStartOfFiveMinutes(Timestamp) DESC
    LIMIT {rows:UInt64}
)
WHERE Text IS NOT NULL AND length(Text) <= {text_max:UInt64}
GROUP BY Text, Kind
ORDER BY count() DESC, Text
LIMIT {limit:UInt64}
