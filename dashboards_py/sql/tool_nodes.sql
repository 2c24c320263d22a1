-- Agents and tools, and the models that they call: what nobody here calls has no arrow to it.
WITH spans AS
(
    SELECT
        SpanId, ParentSpanId, Duration, Status,
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
    node AS id,
    splitByString(': ', node, 2)[2] AS title,
    splitByString(': ', node, 2)[1] AS subtitle,
    count() AS mainstat,
    avg(Duration) / 1000000 AS secondarystat,
    countIf(Status = 'error') / count() AS arc__failed,
    1 - arc__failed AS arc__ok
FROM spans
WHERE node != ''
    AND (node NOT LIKE 'model: %' OR ParentSpanId IN (SELECT SpanId FROM spans WHERE node != ''))
GROUP BY node
ORDER BY mainstat DESC
LIMIT 60
