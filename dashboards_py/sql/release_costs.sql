-- What a release costs for each of its calls: what is compared before and after a deployment.
SELECT
    ServiceName AS service,
    Release AS release,
    min(Timestamp) AS first_seen,
    count() AS calls,
    toFloat64(avg(/* counted cost */)) AS cost_per_call,
    avg(/* tokens */) AS tokens_per_call,
    quantile(0.95)(Duration) AS p95,
    countIf(Status = 'error') / count() AS errors
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND Release != ''
    AND /* filters */
GROUP BY service, release
ORDER BY service, first_seen
LIMIT 50
