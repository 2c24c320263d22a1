-- What the calls of a scope cost in a time that begins and ends with an hour. Only spans that own
-- their usage are in the rollup. An empty list of values is no condition.
SELECT toString(sum(CostUsd) + if({estimates:Bool}, sum(EstimatedCostUsd), 0)) AS Spent
FROM llm_usage_1h
WHERE Time >= toDateTime({start_s:Int64}) AND Time < toDateTime({end_s:Int64})
    AND (empty({ServiceName:Array(String)}) OR has({ServiceName:Array(String)}, ServiceName))
    AND (empty({Provider:Array(String)}) OR has({Provider:Array(String)}, Provider))
    AND (empty({Model:Array(String)}) OR has({Model:Array(String)}, Model))
    AND (empty({Operation:Array(String)}) OR has({Operation:Array(String)}, Operation))
    AND (empty({Environment:Array(String)}) OR has({Environment:Array(String)}, Environment))
    AND (empty({Feature:Array(String)}) OR has({Feature:Array(String)}, Feature))
    AND (empty({Tenant:Array(String)}) OR has({Tenant:Array(String)}, Tenant))
    AND (empty({Release:Array(String)}) OR has({Release:Array(String)}, Release))
    AND (empty({Agent:Array(String)}) OR has({Agent:Array(String)}, Agent))
LIMIT {limit:UInt64}
