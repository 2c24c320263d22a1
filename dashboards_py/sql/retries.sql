-- A call is a retry where the call before it of the same model, below the same parent, failed.
SELECT
    Model AS model,
    countIf(PreviousStatus = 'error') AS retries,
    countIf(PreviousStatus = 'error' AND Status = 'ok') AS helped,
    countIf(PreviousStatus = 'error') / count() AS share,
    toFloat64(sumIf(CostUsd, PreviousStatus = 'error')) AS cost
FROM
(
    SELECT
        Model, Status, CostUsd,
        lagInFrame(toString(Status)) OVER (PARTITION BY TraceId, ParentSpanId, Model ORDER BY Timestamp) AS PreviousStatus
    FROM otel_traces
    WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
        AND /* filters */
)
GROUP BY model
HAVING retries > 0
ORDER BY retries DESC
LIMIT 25
