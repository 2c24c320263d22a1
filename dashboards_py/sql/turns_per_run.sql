-- How many model calls a run takes: a long tail is an agent going round in circles.
SELECT toString(turns) AS turns, count() AS runs
FROM
(
    SELECT TraceId, countIf(UsageRole = 'own') AS turns
    FROM otel_traces
    WHERE $__timeFilter(Timestamp)
        AND /* filters */
    GROUP BY TraceId
    HAVING countIf(SpanClass = 'agent') > 0
)
GROUP BY turns
ORDER BY toUInt64(turns)
LIMIT 50
