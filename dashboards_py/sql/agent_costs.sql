-- A call is an agent's own if it began while the agent ran; of agents within agents, the innermost.
WITH
    toUnixTimestamp64Nano(Timestamp) AS began,
    traces AS
    (
        SELECT
            groupArrayIf((began, began + Duration, toString(Agent)), SpanClass = 'agent') AS agents,
            groupArrayIf((began, toFloat64(/* counted cost */)), UsageRole = 'own') AS calls
        FROM otel_traces
        WHERE $__timeFilter(Timestamp)
            AND /* filters */
        GROUP BY TraceId
        HAVING notEmpty(agents)
    )
SELECT
    arraySort(a -> -a.1, arrayFilter(a -> a.1 <= call.1 AND call.1 <= a.2, agents))[1].3 AS name,
    if(name = '', '(outside)', name) AS agent,
    sum(call.2) AS cost
FROM traces
ARRAY JOIN calls AS call
GROUP BY name
HAVING cost > 0
ORDER BY cost DESC
LIMIT 15
