-- The content attributes of the spans of a trace.
SELECT
    SpanId,
    Attributes AS ContentAttributes,
    AttributeTypes AS ContentAttributeTypes,
    AttributePositions AS ContentAttributePositions
FROM llm_content
PREWHERE TraceId = {trace_id:String}
    AND toStartOfFiveMinutes(Timestamp) BETWEEN {first_s:UInt32} AND {last_s:UInt32}
LIMIT 1 BY SpanId
LIMIT {limit:UInt64}
