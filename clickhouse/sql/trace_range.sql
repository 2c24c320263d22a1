-- From when to when the spans of a trace began, in whole seconds.
SELECT toUnixTimestamp(min(Start)) AS StartS, toUnixTimestamp(max(End)) AS EndS
FROM otel_traces_trace_id_ts
WHERE TraceId = {trace_id:String}
HAVING count() > 0
LIMIT {limit:UInt64}
