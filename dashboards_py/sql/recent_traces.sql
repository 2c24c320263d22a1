-- The newest traces; one whose root has not arrived is still running.
SELECT
    TraceId,
    min(Timestamp) AS started,
    anyIf(ServiceName, ParentSpanId = '') AS service,
    anyIf(SpanName, ParentSpanId = '') AS name,
    if(countIf(ParentSpanId = '') > 0, 'finished', 'running') AS state,
    max(toUnixTimestamp64Nano(Timestamp) + Duration) - min(toUnixTimestamp64Nano(Timestamp)) AS duration,
    count() AS spans,
    countIf(UsageRole = 'own') AS calls,
    countIf(StatusCode = 'Error') AS errors,
    sumIf(/* tokens */, UsageRole = 'own') AS tokens,
    toFloat64(sumIf(/* counted cost */, UsageRole = 'own')) AS cost
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND TraceId IN
(
    SELECT TraceId FROM otel_traces
    WHERE $__timeFilter(Timestamp)
        AND /* filters */
    GROUP BY TraceId ORDER BY max(Timestamp) DESC LIMIT 50
)
GROUP BY TraceId
ORDER BY started DESC
LIMIT 50
