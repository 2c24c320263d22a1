-- How old the newest span of each service is.
SELECT
    ServiceName AS service,
    max(Timestamp) AS newest,
    dateDiff('second', max(Timestamp), now64(9)) AS age,
    count() AS spans
FROM otel_traces
WHERE $__timeFilter(Timestamp)
GROUP BY service
ORDER BY age DESC
LIMIT 100
