SELECT toFloat64(sum(/* counted cost */)) AS ClickHouse
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
    AND /* filters */
LIMIT 1
