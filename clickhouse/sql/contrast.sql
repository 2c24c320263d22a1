-- What the attributes of spans say, in a selection and beside it: of each the most frequent values.
-- Counts of spans come by step. Long values are one, without a text.
SELECT
    Selected,
    Name,
    count() AS Values,
    sumMap(arrayMap(x -> x.1, Steps), arrayMap(x -> x.2, Steps)) AS Total,
    groupArraySorted(/* top */)((-toInt64(arraySum(x -> x.2, Steps)), Text, Kind, Steps)) AS Top
FROM
(
    SELECT
        Selected,
        Name,
        if(length(Said) > {chars:UInt64}, '', Said) AS Text,
        if(length(Said) > {chars:UInt64}, 'long', Type) AS Kind,
        groupArray((Step, Spans)) AS Steps
    FROM
    (
        SELECT Selected, Step, concat('span.', Key) AS Name, Said, Type, Spans
        FROM
        (
            SELECT Selected, Step, Key, Said, SpanAttributeTypes[Key] AS Type, count() AS Spans
            FROM (/* spans */)
            ARRAY JOIN mapKeys(SpanAttributes) AS Key, mapValues(SpanAttributes) AS Said
            GROUP BY ALL
        )
        UNION ALL
        SELECT Selected, Step, concat('resource.', Key), Said, ResourceAttributeTypes[Key], Spans
        FROM
        (
            SELECT Selected, Step, ResourceAttributes, ResourceAttributeTypes, count() AS Spans
            FROM (/* spans */)
            GROUP BY ALL
        )
        ARRAY JOIN mapKeys(ResourceAttributes) AS Key, mapValues(ResourceAttributes) AS Said
        UNION ALL
        SELECT Selected, Step, Field.1, Field.2, Field.3, Spans
        FROM
        (
            SELECT Selected, Step/* fields */, count() AS Spans
            FROM (/* spans */)
            GROUP BY GROUPING SETS (/* by field */)
        )
        ARRAY JOIN [/* said */] AS Field
        WHERE Field.2 != ''
        UNION ALL
        SELECT Selected, Step, Field.1, Field.2, '', Spans
        FROM
        (
            SELECT Selected, Step, Root.Name AS RootName, Root.Service AS RootService, count() AS Spans
            FROM (/* spans */) AS Span
            LEFT ANY JOIN
            (
                SELECT TraceId, SpanName AS Name, ServiceName AS Service
                FROM otel_traces
                WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
                    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
                    AND ParentSpanId = ''
            ) AS Root ON Span.TraceId = Root.TraceId
            GROUP BY ALL
        )
        ARRAY JOIN [('rootName', toString(RootName)), ('rootServiceName', toString(RootService))] AS Field
        WHERE Field.2 != ''
    )
    GROUP BY Selected, Name, Text, Kind
)
GROUP BY Selected, Name
ORDER BY arraySum(Total.2) DESC, Name
LIMIT {names:UInt64} BY Selected
LIMIT {limit:UInt64}
