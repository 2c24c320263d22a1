-- The first token ends the prefill; the rest is decoding. Only streamed calls tell.
SELECT
    Model,
    avg(TimeToFirstToken) AS prefill,
    avg(Duration - TimeToFirstToken) AS decode
FROM otel_traces
WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND Status = 'ok' AND isNotNull(TimeToFirstToken)
    AND /* filters */
GROUP BY Model
ORDER BY prefill + decode DESC
LIMIT 20
