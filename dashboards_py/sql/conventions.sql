-- Who speaks which convention: what an unknown one looks like before it costs accuracy.
SELECT
    if(Convention = '', '(no GenAI)', toString(Convention)) AS convention,
    arrayStringConcat(arraySort(groupUniqArray(10)(ServiceName)), ', ') AS services,
    count() AS spans,
    countIf(UsageRole = 'own') AS calls,
    countIf(UsageRole = 'own' AND UsageSource = 'missing') AS without_usage,
    countIf(UsageRole = 'own' AND UsageSource = 'estimated') AS estimated
FROM otel_traces
WHERE $__timeFilter(Timestamp)
GROUP BY convention
ORDER BY spans DESC
LIMIT 50
