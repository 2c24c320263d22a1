-- The same from the spans, for scopes that the usage by hour does not know. As there, the cost of
-- estimated tokens stands apart, and a cost that the sender reports is exact.
WITH UsageSource = 'estimated' AND CostSource = 'computed' AS estimated
SELECT toString(toDecimal128(ifNull(sumIf(CostUsd, NOT estimated OR {estimates:Bool}), 0), 9)) AS Spent
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({start_s:Int64} * 1000000000)
    AND Timestamp < fromUnixTimestamp64Nano({end_s:Int64} * 1000000000)
    AND UsageRole = 'own'
    AND (empty({ServiceName:Array(String)}) OR has({ServiceName:Array(String)}, ServiceName))
    AND (empty({Provider:Array(String)}) OR has({Provider:Array(String)}, Provider))
    AND (empty({Model:Array(String)}) OR has({Model:Array(String)}, Model))
    AND (empty({Operation:Array(String)}) OR has({Operation:Array(String)}, Operation))
    AND (empty({Environment:Array(String)}) OR has({Environment:Array(String)}, Environment))
    AND (empty({Feature:Array(String)}) OR has({Feature:Array(String)}, Feature))
    AND (empty({Tenant:Array(String)}) OR has({Tenant:Array(String)}, Tenant))
    AND (empty({Release:Array(String)}) OR has({Release:Array(String)}, Release))
    AND (empty({Agent:Array(String)}) OR has({Agent:Array(String)}, Agent))
    AND (empty({UserId:Array(String)}) OR has({UserId:Array(String)}, UserId))
    AND (empty({SessionId:Array(String)}) OR has({SessionId:Array(String)}, SessionId))
    AND (empty({Endpoint:Array(String)}) OR has({Endpoint:Array(String)}, Endpoint))
    AND (empty({PromptVersion:Array(String)}) OR has({PromptVersion:Array(String)}, PromptVersion))
LIMIT {limit:UInt64}
