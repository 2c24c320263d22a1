-- The most expensive values of one dimension.
SELECT
    if(/* dimension */ = '', '(none)', toString(/* dimension */)) AS name,
    toFloat64(sum(CostUsd)) AS cost
FROM llm_usage_1h
WHERE Time >= toStartOfHour($__fromTime) AND Time <= $__toTime
    AND /* filters */
GROUP BY name
HAVING cost > 0
ORDER BY cost DESC
LIMIT 10
