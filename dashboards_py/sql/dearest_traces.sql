SELECT
    TraceId,
    min(Timestamp) AS started,
    anyIf(ServiceName, UsageRole = 'own') AS service,
    anyIf(Feature, UsageRole = 'own') AS feature,
    anyIf(UserId, UserId != '') AS user,
    countIf(UsageRole = 'own') AS calls,
    sumIf(/* tokens */, UsageRole = 'own') AS tokens,
    toFloat64(sumIf(/* counted cost */, UsageRole = 'own')) AS cost
FROM otel_traces
WHERE $__timeFilter(Timestamp)
    AND /* filters */
GROUP BY TraceId
HAVING calls > 0
ORDER BY cost DESC
LIMIT 25
