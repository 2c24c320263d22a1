SELECT
    if(Agent = '', '(no agent)', toString(Agent)) AS agent,
    toFloat64(sum(CostUsd)) AS cost
FROM llm_usage_1m
WHERE $__timeFilter(Time)
    AND /* filters */
GROUP BY agent
HAVING cost > 0
ORDER BY cost DESC
LIMIT 15
