-- From when to when the spans of a trace began, as the parts of the key that they are below.
SELECT
    toUInt32(toStartOfFiveMinutes(min(Start))) AS FirstS,
    toUInt32(toStartOfFiveMinutes(max(End))) AS LastS
FROM otel_traces_trace_id_ts
PREWHERE TraceId = {trace_id:String}
HAVING count() > 0
LIMIT {limit:UInt64}
