-- What a call's price depends on, and the price that it has.
SELECT
    /* key */ AS PriceKey,
    toUnixTimestamp64Nano(Timestamp) AS StartNs,
    SpanClass,
    UsageRole,
    ReportedCostUsd,
    isNotNull(ReportedCostUsd) AND hasAny(mapKeys(SpanAttributes), {charge_keys:Array(String)})
        AS ReportedCostIsCharge,
    /* columns */
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND SpanClass = 'call'
    AND UsageRole = 'own'
    AND ({model:String} = '' OR {model:String} IN (Model, RequestModel, ResponseModel))
    AND ({provider:String} = '' OR Provider = {provider:String})
LIMIT {limit:UInt64}
