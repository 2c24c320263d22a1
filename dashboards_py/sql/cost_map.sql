-- Feature, service, model and user as nested areas: a depth-first list for the flame graph panel,
-- in nano-dollars.
WITH leaves AS
(
    SELECT
        [
            concat('feature.', if(Feature = '', '(none)', toString(Feature))),
            concat('service.', toString(ServiceName)),
            concat('llm.', toString(Model)),
            concat('user.', if(UserId = '', '(none)', UserId))
        ] AS path,
        toInt64(ifNull(sum(/* counted cost */), 0) * 1000000000) AS cost
    FROM otel_traces
    WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND /* counted cost */ > 0
        AND /* filters */
    GROUP BY path
    ORDER BY cost DESC
    LIMIT 500
)
SELECT
    toInt64(depth) AS level,
    if(depth = 0, 'total', path[depth]) AS label,
    sum(cost) AS value,
    sumIf(cost, depth = length(path)) AS self
FROM
(
    SELECT path, cost, arrayJoin(range(length(path) + 1)) AS depth, arraySlice(path, 1, depth) AS prefix
    FROM leaves
)
GROUP BY depth, prefix, label
ORDER BY prefix
LIMIT 3000
