-- The content attributes of the spans of a trace: their names, and the text of some of them.
SELECT
    SpanId,
    mapApply((k, v) -> (k, if(has({keys:Array(String)}, k), v, '')), Attributes) AS ContentAttributes,
    mapFilter((k, v) -> has({keys:Array(String)}, k), AttributeTypes) AS ContentAttributeTypes,
    AttributePositions AS ContentAttributePositions
FROM llm_content
PREWHERE TraceId = {trace_id:String}
    AND toStartOfFiveMinutes(Timestamp) BETWEEN {first_s:UInt32} AND {last_s:UInt32}
LIMIT 1 BY SpanId
LIMIT {limit:UInt64}
