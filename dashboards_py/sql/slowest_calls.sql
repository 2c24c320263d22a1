SELECT
    Timestamp, TraceId, ServiceName, Model, Operation, Status,
    Duration, TimeToFirstToken, TimePerOutputToken,
    /* output tokens */ AS output_tokens,
    CostUsd
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
    AND /* filters */
ORDER BY Duration DESC
LIMIT 25
