-- How calls ended badly, the most frequent first, with a few of their traces and messages.
SELECT *
FROM
(
    SELECT
        Outcome,
        ErrorType,
        Status,
        ServiceName,
        Provider,
        Model,
        toInt64(count()) AS OrderValue,
        toUnixTimestamp64Nano(min(Timestamp)) AS FirstNs,
        toUnixTimestamp64Nano(max(Timestamp)) AS LastNs,
        arrayMap(x -> x.2, groupArraySorted(3)((-toUnixTimestamp64Nano(Timestamp), TraceId))) AS TraceIds,
        topKIf(3)(left(StatusMessage, 300), StatusMessage != '') AS Messages
    FROM
    (
        SELECT Outcome, ErrorType, Status, ServiceName, Provider, Model, Timestamp, TraceId, StatusMessage
        FROM otel_traces
        WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
            AND UsageRole = 'own'
            AND (Status = 'error' OR Outcome NOT IN ('', 'ok'))
            AND (/* condition */)
    )
    GROUP BY Outcome, ErrorType, Status, ServiceName, Provider, Model
)
WHERE /* after */
ORDER BY OrderValue DESC, Outcome, ErrorType, Status, ServiceName, Provider, Model
LIMIT {limit:UInt64}
