-- Spans whose input or output has all words and phrases, the latest first.
SELECT Timestamp AS Time, toUnixTimestamp64Nano(Timestamp) AS StartNs, TraceId, SpanId, InputFound, OutputFound
FROM
(
    SELECT
        Timestamp,
        TraceId,
        SpanId,
        hasAllTokens(lower(Input), {words:Array(String)})
            AND arrayAll(p -> position(lower(Input), p) > 0, {phrases:Array(String)}) AS InputFound,
        hasAllTokens(lower(Output), {words:Array(String)})
            AND arrayAll(p -> position(lower(Output), p) > 0, {phrases:Array(String)}) AS OutputFound
    FROM llm_content
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND (InputFound OR OutputFound)
)
WHERE (/* chosen */) AND (/* after */)
ORDER BY StartNs DESC, TraceId, SpanId
LIMIT 1 BY TraceId, SpanId
LIMIT {limit:UInt64}
