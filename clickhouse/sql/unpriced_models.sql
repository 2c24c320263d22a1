-- Models of calls that no price was found for, the most frequent first.
SELECT
    Provider,
    if(ResponseModel != '', ResponseModel, RequestModel) AS SentModel,
    UnpricedReason,
    count() AS Calls,
    /* tokens */ AS Tokens,
    toUnixTimestamp64Nano(min(Timestamp)) AS FirstNs,
    toUnixTimestamp64Nano(max(Timestamp)) AS LastNs
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND SpanClass = 'call'
    AND UsageRole = 'own'
    AND UnpricedReason IN ('unknown_model', 'no_rate')
GROUP BY Provider, SentModel, UnpricedReason
ORDER BY Calls DESC, Provider, SentModel
LIMIT {limit:UInt64}
