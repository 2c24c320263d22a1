SELECT
    if(UserId = '', '(none)', UserId) AS user,
    toFloat64(sum(/* counted cost */)) AS cost,
    count() AS calls,
    sum(/* tokens */) AS tokens,
    uniqExact(SessionId) AS sessions,
    argMax(TraceId, CostUsd) AS dearest_trace
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
    AND /* filters */
GROUP BY user
ORDER BY cost DESC
LIMIT 25
