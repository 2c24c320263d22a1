-- How many calls began in each minute. The day is that of the table's partition.
SELECT
    toString(toDate(Timestamp)) AS Day,
    toUnixTimestamp(toStartOfMinute(Timestamp)) AS MinuteS,
    count() AS Calls
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
    AND SpanClass = 'call'
    AND UsageRole = 'own'
    AND ({model:String} = '' OR {model:String} IN (Model, RequestModel, ResponseModel))
    AND ({provider:String} = '' OR Provider = {provider:String})
GROUP BY Day, MinuteS
ORDER BY MinuteS
LIMIT {limit:UInt64}
