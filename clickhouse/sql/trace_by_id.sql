-- The spans of a trace. A span that came twice is there twice, the one that counts first.
SELECT
    /* columns */,
    hex(sipHash128(ResourceAttributes, ResourceAttributeTypes, ResourceSchemaUrl,
        ResourceDroppedAttributesCount, ResourceEntityRefs)) AS ResourceGroup,
    hex(sipHash128(ScopeName, ScopeVersion, ScopeAttributes, ScopeAttributeTypes, ScopeSchemaUrl,
        ScopeDroppedAttributesCount)) AS ScopeGroup
FROM otel_traces AS s
WHERE TraceId = {trace_id:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano({start_ns:Int64}))
    AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(fromUnixTimestamp64Nano({end_ns:Int64}))
ORDER BY Timestamp, SpanId, UsageRole = 'duplicate'
LIMIT {limit:UInt64}
