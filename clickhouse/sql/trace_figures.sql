-- What a list shows of some traces: the spans that began in the time, each once.
SELECT
    TraceId,
    toUnixTimestamp64Nano(min(Timestamp)) AS StartNs,
    max(toUnixTimestamp64Nano(Timestamp) + toInt64(s.Duration)) AS EndNs,
    argMin(ServiceName, (ParentSpanId != '', Timestamp)) AS RootService,
    argMin(SpanName, (ParentSpanId != '', Timestamp)) AS RootName,
    countIf(ParentSpanId = '') > 0 AS HasRoot,
    uniqExact(SpanId) AS Spans,
    uniqExactIf(SpanId, Status = 'error' OR StatusCode = 'Error') AS ErrorSpans,
    countIf(UsageRole = 'own') AS Calls,
    countIf(UsageRole = 'own' AND UnpricedReason != '') AS UnpricedCalls,
    ifNull(sumIf(/* tokens */, UsageRole = 'own' AND UsageSource != 'estimated'), 0) AS Tokens,
    ifNull(sumIf(/* tokens */, UsageRole = 'own' AND UsageSource = 'estimated'), 0) AS EstimatedTokens,
    ifNull(sumIf(s.CostUsd, UsageRole = 'own' AND NOT (UsageSource = 'estimated' AND CostSource = 'computed')), 0) AS CostUsd,
    ifNull(sumIf(s.CostUsd, UsageRole = 'own' AND UsageSource = 'estimated' AND CostSource = 'computed'), 0) AS EstimatedCostUsd,
    arraySort(groupUniqArrayIf(20)(Model, UsageRole = 'own' AND Model != '')) AS Models,
    max(UserId) AS AnyUserId,
    max(SessionId) AS AnySessionId
FROM otel_traces AS s
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano({start_ns:Int64}))
    AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(fromUnixTimestamp64Nano({end_ns:Int64}))
    AND TraceId IN {trace_ids:Array(String)}
GROUP BY TraceId
LIMIT {limit:UInt64}
