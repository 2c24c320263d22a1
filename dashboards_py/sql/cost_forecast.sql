-- This month's cost so far (UTC), and at its end if the rest goes on like the last seven days, or
-- like the time since the first call where that is less.
WITH
    now('UTC') AS instant,
    toDateTime(toStartOfMonth(instant), 'UTC') AS month,
    dateDiff('second', greatest(min(Time), instant - INTERVAL 7 DAY), instant) AS measured_s,
    toFloat64(sumIf(CostUsd, Time >= instant - INTERVAL 7 DAY)) / greatest(measured_s, 3600) AS per_second
SELECT
    toFloat64(sumIf(CostUsd, Time >= month)) AS spent,
    spent + per_second * dateDiff('second', instant, month + INTERVAL 1 MONTH) AS forecast
FROM llm_usage_1h
WHERE Time >= least(month, instant - INTERVAL 7 DAY)
    AND /* filters */
LIMIT 1
