-- How many rows the five minutes of a time have together: read from the table's key alone.
SELECT count() AS Rows
FROM otel_traces
WHERE toStartOfFiveMinutes(Timestamp) >= toDateTime({start_s:Int64})
    AND toStartOfFiveMinutes(Timestamp) < toDateTime({end_s:Int64})
LIMIT {limit:UInt64}
