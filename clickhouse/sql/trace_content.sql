-- The content attributes of the spans of a trace.
SELECT
    SpanId,
    Attributes AS ContentAttributes,
    AttributeTypes AS ContentAttributeTypes,
    AttributePositions AS ContentAttributePositions
FROM llm_content
WHERE TraceId = {trace_id:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano({start_ns:Int64}))
    AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(fromUnixTimestamp64Nano({end_ns:Int64}))
LIMIT 1 BY SpanId
LIMIT {limit:UInt64}
