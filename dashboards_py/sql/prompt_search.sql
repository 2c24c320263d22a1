-- Calls whose prompt or answer holds all the words searched for; no words find all.
SELECT
    c.Timestamp AS Timestamp, c.TraceId AS TraceId, c.SpanId AS SpanId,
    s.ServiceName AS service, s.Model AS model, s.Status AS status,
    substring(c.Input, 1, 300) AS prompt,
    substring(c.Output, 1, 300) AS answer,
    s.FinishReason AS finish_reason,
    /* tokens */ AS tokens,
    toFloat64(s.CostUsd) AS cost,
    s.Duration AS duration
FROM
(
    SELECT Timestamp, TraceId, SpanId, Input, Output
    FROM llm_content
    WHERE $__timeFilter(Timestamp)
        AND (${search:sqlstring} = '' OR hasAllTokens(lower(Input), lower(${search:sqlstring})) OR hasAllTokens(lower(Output), lower(${search:sqlstring})))
    ORDER BY Timestamp DESC
    LIMIT 500
) AS c
INNER JOIN
(
    SELECT * FROM otel_traces
    WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
        AND /* filters */
) AS s ON s.TraceId = c.TraceId AND s.SpanId = c.SpanId
ORDER BY Timestamp DESC
LIMIT 100
