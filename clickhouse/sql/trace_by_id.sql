-- The spans of a trace with the names of their content attributes; the text of a content attribute
-- only where it is asked for. A span that came twice is there twice, the one that counts first.
SELECT
    /* columns */,
    hex(sipHash128(ResourceAttributes, ResourceAttributeTypes, ResourceSchemaUrl,
        ResourceDroppedAttributesCount, ResourceEntityRefs)) AS ResourceGroup,
    hex(sipHash128(ScopeName, ScopeVersion, ScopeAttributes, ScopeAttributeTypes, ScopeSchemaUrl,
        ScopeDroppedAttributesCount)) AS ScopeGroup,
    ContentAttributes,
    ContentAttributeTypes,
    ContentAttributePositions
FROM otel_traces AS s
LEFT ANY JOIN
(
    SELECT
        SpanId,
        mapApply((k, v) -> (k, if({all_content:Bool} OR has({content_keys:Array(String)}, k), v, '')), Attributes)
            AS ContentAttributes,
        mapFilter((k, v) -> {all_content:Bool} OR has({content_keys:Array(String)}, k), AttributeTypes)
            AS ContentAttributeTypes,
        AttributePositions AS ContentAttributePositions
    FROM llm_content
    WHERE TraceId = {trace_id:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
) AS c USING (SpanId)
WHERE TraceId = {trace_id:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
ORDER BY Timestamp, SpanId, UsageRole = 'duplicate'
LIMIT {limit:UInt64}
