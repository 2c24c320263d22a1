-- How many rows and how many different spans some five minutes have.
SELECT
    toUnixTimestamp(toStartOfFiveMinutes(Timestamp)) AS Bucket,
    count() AS Rows,
    uniqExact(cityHash64(TraceId, SpanId)) AS Spans
FROM otel_traces
WHERE toStartOfFiveMinutes(Timestamp) >= toDateTime({start_s:Int64})
    AND toStartOfFiveMinutes(Timestamp) < toDateTime({end_s:Int64})
    AND Bucket IN {buckets:Array(Int64)}
GROUP BY Bucket
LIMIT {limit:UInt64}
