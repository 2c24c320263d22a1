-- The price lists that priced the range's calls.
SELECT
    PriceVersion AS version,
    count() AS calls,
    uniqExact(Model) AS models,
    max(Timestamp) AS last_used
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND PriceVersion != ''
GROUP BY version
ORDER BY last_used DESC
LIMIT 10
