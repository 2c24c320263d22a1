-- Whole runs: what the agents of a trace did, used and spent.
SELECT
    TraceId,
    min(Timestamp) AS started,
    anyIf(Agent, SpanClass = 'agent') AS agent,
    maxIf(Duration, SpanClass = 'agent') AS duration,
    countIf(UsageRole = 'own') AS model_calls,
    countIf(SpanClass = 'tool') AS tool_calls,
    countIf(SpanClass = 'tool' AND Status = 'error') AS failed_tools,
    toFloat64(sumIf(/* counted cost */, UsageRole = 'own')) AS cost,
    if(countIf(SpanClass = 'agent' AND Status = 'error') > 0, 'error', 'ok') AS status
FROM otel_traces
WHERE $__timeFilter(Timestamp)
    AND /* filters */
GROUP BY TraceId
HAVING countIf(SpanClass = 'agent') > 0
ORDER BY cost DESC
LIMIT 50
