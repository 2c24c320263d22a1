SELECT
    Model AS model,
    any(Provider) AS provider,
    count() AS calls,
    quantile(0.5)(Duration) AS p50,
    quantile(0.95)(Duration) AS p95,
    quantile(0.95)(TimeToFirstToken) AS ttft_p95,
    countIf(Status = 'error') / count() AS errors,
    avg(/* tokens */) AS tokens_per_call,
    avg(/* output tokens */) AS output_per_call,
    1000 * toFloat64(avg(/* counted cost */)) AS cost_per_1k_calls,
    1000000 * toFloat64(sum(/* counted cost */)) / nullIf(sum(/* tokens */), 0) AS cost_per_1m_tokens,
    toFloat64(sum(/* counted cost */)) AS cost
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
    AND /* filters */
GROUP BY model
ORDER BY calls DESC
LIMIT 50
