SELECT
    if(FinishReason = '', '(none)', toString(FinishReason)) AS reason,
    count() AS calls
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
    AND /* filters */
GROUP BY reason
ORDER BY calls DESC
LIMIT 15
