-- The spans whose content attributes meet a condition: a part of other questions, which have limits.
SELECT TraceId, SpanId
FROM llm_content
WHERE Timestamp >= fromUnixTimestamp64Nano(/* start */)
    AND Timestamp < fromUnixTimestamp64Nano(/* end */)
    AND /* condition */
