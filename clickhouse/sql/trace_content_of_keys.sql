-- The content attributes of the spans of a trace: their names, and the text of some of them.
SELECT
    SpanId,
    mapApply((k, v) -> (k, if(has({keys:Array(String)}, k), v, '')), Attributes) AS ContentAttributes,
    mapFilter((k, v) -> has({keys:Array(String)}, k), AttributeTypes) AS ContentAttributeTypes,
    AttributePositions AS ContentAttributePositions
FROM llm_content
WHERE TraceId = {trace_id:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano({start_ns:Int64}))
    AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(fromUnixTimestamp64Nano({end_ns:Int64}))
LIMIT 1 BY SpanId
LIMIT {limit:UInt64}
