-- How many rows each five minutes of a time have, the newest first.
SELECT toUnixTimestamp(toStartOfFiveMinutes(Timestamp)) AS Bucket, count() AS Rows
FROM otel_traces
WHERE toStartOfFiveMinutes(Timestamp) >= toDateTime({start_s:Int64})
    AND toStartOfFiveMinutes(Timestamp) < toDateTime({end_s:Int64})
GROUP BY Bucket
ORDER BY Bucket DESC
LIMIT {limit:UInt64}
