-- When a service's main release changed: what most of a minute's calls came from, against the
-- minute with calls before it.
SELECT Time AS time, concat(ServiceName, ': release ', Main, ' (was ', Previous, ')') AS text, ServiceName AS tags
FROM
(
    SELECT Time, ServiceName, Main, lagInFrame(Main) OVER (PARTITION BY ServiceName ORDER BY Time) AS Previous
    FROM
    (
        SELECT Time, ServiceName, argMax(Release, Calls) AS Main
        FROM
        (
            SELECT Time, ServiceName, Release, sum(Requests) AS Calls
            FROM llm_usage_1m
            WHERE Time >= $__fromTime - INTERVAL 1 DAY AND Time <= $__toTime AND Release != ''
            GROUP BY Time, ServiceName, Release
        )
        GROUP BY Time, ServiceName
    )
)
WHERE Previous != '' AND Main != Previous AND Time >= $__fromTime
ORDER BY time
LIMIT 200
