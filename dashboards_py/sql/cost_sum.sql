SELECT toFloat64(sum(CostUsd)) AS ClickHouse
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND NOT (UsageSource = 'estimated' AND CostSource = 'computed')
    AND /* filters */
LIMIT 1
