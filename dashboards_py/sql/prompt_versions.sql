SELECT
    if(PromptVersion = '', '(none)', toString(PromptVersion)) AS version,
    count() AS calls,
    avg(/* input tokens */) AS input_per_call,
    avg(/* output tokens */) AS output_per_call,
    toFloat64(avg(/* counted cost */)) AS cost_per_call,
    countIf(Outcome = 'truncated') / count() AS truncated,
    countIf(Status = 'error') / count() AS errors
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
    AND /* filters */
GROUP BY version
ORDER BY calls DESC
LIMIT 50
