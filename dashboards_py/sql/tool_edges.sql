WITH spans AS
(
    SELECT
        SpanId, ParentSpanId,
        multiIf(
            SpanClass = 'agent', concat('agent: ', Agent),
            SpanClass = 'tool', concat('tool: ', Tool),
            UsageRole = 'own', concat('model: ', Model),
            ''
        ) AS node
    FROM otel_traces
    WHERE $__timeFilter(Timestamp) AND SpanClass != ''
        AND /* filters */
    ORDER BY Timestamp DESC
    LIMIT 20000
)
SELECT
    concat(parent.node, ' > ', child.node) AS id,
    parent.node AS source,
    child.node AS target,
    count() AS mainstat
FROM spans AS child
INNER JOIN spans AS parent ON child.ParentSpanId = parent.SpanId
WHERE child.node != '' AND parent.node != ''
GROUP BY source, target
ORDER BY mainstat DESC
LIMIT 200
