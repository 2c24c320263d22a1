SELECT
    Outcome AS outcome,
    ErrorType AS type,
    substring(StatusMessage, 1, 200) AS message,
    count() AS calls,
    uniqExact(ServiceName) AS services,
    arrayStringConcat(groupUniqArray(5)(Model), ', ') AS models,
    max(Timestamp) AS last_seen,
    argMax(TraceId, Timestamp) AS trace
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND Status = 'error'
    AND /* filters */
GROUP BY outcome, type, message
ORDER BY calls DESC
LIMIT 50
