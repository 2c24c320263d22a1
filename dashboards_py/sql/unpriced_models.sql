SELECT
    Provider,
    if(ResponseModel != '', ResponseModel, RequestModel) AS model,
    UnpricedReason AS reason,
    count() AS calls,
    sum(/* tokens */) AS tokens,
    min(Timestamp) AS first_seen,
    argMax(TraceId, Timestamp) AS trace
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND UnpricedReason != ''
    AND /* filters */
GROUP BY Provider, model, reason
ORDER BY calls DESC
LIMIT 25
