-- The spans of a trace, in no order. Their id and their place in the key are all that it takes to
-- find them; each further condition takes longer to plan than to check.
SELECT
    /* columns */,
    UsageRole = 'duplicate' AS Again
FROM otel_traces AS s
PREWHERE TraceId = {trace_id:String}
    AND toStartOfFiveMinutes(Timestamp) BETWEEN {first_s:UInt32} AND {last_s:UInt32}
LIMIT {limit:UInt64}
