-- This month's cost so far, and at its end if the rest goes on like the last seven days.
SELECT
    toFloat64(sumIf(CostUsd, Time >= toStartOfMonth(now()))) AS spent,
    toFloat64(sumIf(CostUsd, Time >= now() - INTERVAL 7 DAY))
        / greatest(dateDiff('second', greatest(min(Time), now() - INTERVAL 7 DAY), now()), 3600) AS per_second,
    spent + per_second * dateDiff('second', now(), toStartOfMonth(now()) + INTERVAL 1 MONTH) AS forecast
FROM llm_usage_1h
WHERE Time >= least(toStartOfMonth(now()), now() - INTERVAL 7 DAY)
    AND /* filters */
LIMIT 1
