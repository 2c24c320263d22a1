SELECT
    $__timeInterval(Timestamp) AS time,
    count() AS spans,
    countIf(UsageRole = 'own') AS calls
FROM otel_traces
WHERE $__timeFilter(Timestamp)
GROUP BY time
ORDER BY time
LIMIT 5000
