-- Cost since midnight UTC, and of the whole day before up to the same time of day.
SELECT
    sumIf(CostUsd, Time >= toStartOfDay(now('UTC'))) AS today,
    sumIf(CostUsd, Time < now('UTC') - INTERVAL 1 DAY) AS yesterday
FROM llm_usage_1m
WHERE Time >= toStartOfDay(now('UTC')) - INTERVAL 1 DAY
    AND /* filters */
LIMIT 1
