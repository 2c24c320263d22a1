-- Cost by model for each hour, day, week or month, as the variable `period` says.
SELECT
    toStartOfInterval(Time, INTERVAL 1 ${period}) AS time,
    Model AS model,
    toFloat64(sum(CostUsd)) AS cost
FROM llm_usage_1h
WHERE Time >= toStartOfHour($__fromTime) AND Time <= $__toTime
    AND /* filters */
GROUP BY time, model
ORDER BY time, model
LIMIT 10000
