-- What the tokens read from a cache would have cost as plain input, less what they did cost and
-- what writing them cost above plain input. A model's own mean price of
-- plain input is used, in dollars of a million tokens.
SELECT
    Model,
    sum(TokensCacheRead) AS read_tokens,
    sum(TokensCacheRead) / nullIf(sum(TokensCacheRead + TokensInput), 0) AS hit_share,
    1000000 * toFloat64(sum(CostInputUsd)) / nullIf(sum(TokensInput), 0) AS price,
    read_tokens * price / 1000000 - toFloat64(sum(CostCacheReadUsd)) AS saved,
    toFloat64(sum(CostCacheWriteUsd)) - sum(TokensCacheWrite + TokensCacheWrite1h) * price / 1000000 AS write_surcharge,
    saved - write_surcharge AS net
FROM llm_usage_1h
WHERE Time >= toStartOfHour($__fromTime) AND Time <= $__toTime
    AND /* filters */
GROUP BY Model
HAVING read_tokens > 0
ORDER BY net DESC
LIMIT 20
