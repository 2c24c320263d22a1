-- The attribute keys that recent spans have, by where they have them.
SELECT
    groupUniqArrayArray(10000)(mapKeys(SpanAttributes)) AS OfSpan,
    groupUniqArrayArray(10000)(mapKeys(ResourceAttributes)) AS OfResource,
    groupUniqArrayArray(10000)(mapKeys(ScopeAttributes)) AS OfScope,
    groupUniqArrayArray(10000)(arrayFlatten(arrayMap(a -> mapKeys(a), `Events.Attributes`))) AS OfEvents,
    groupUniqArrayArray(10000)(arrayFlatten(arrayMap(a -> mapKeys(a), `Links.Attributes`))) AS OfLinks
FROM
(
    SELECT SpanAttributes, ResourceAttributes, ScopeAttributes, `Events.Attributes`, `Links.Attributes`
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    ORDER BY toStartOfFiveMinutes(Timestamp) DESC
    LIMIT {rows:UInt64}
)
LIMIT {limit:UInt64}
