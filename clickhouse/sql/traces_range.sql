-- From when to when the spans of traces began, in whole seconds.
SELECT toUnixTimestamp(min(Start)) AS StartS, toUnixTimestamp(max(End)) AS EndS
FROM otel_traces_trace_id_ts
WHERE TraceId IN {trace_ids:Array(String)}
LIMIT {limit:UInt64}
