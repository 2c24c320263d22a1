-- When the first and the last stored trace began, in seconds.
SELECT toInt64(toUnixTimestamp(min(Start))) AS FirstS, toInt64(toUnixTimestamp(max(Start))) AS LastS
FROM otel_traces_trace_id_ts
HAVING count() > 0
LIMIT {limit:UInt64}
