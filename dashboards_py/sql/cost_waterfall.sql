-- From the cost of the range before to that of this one, model by model. A bar floats on `base`,
-- which is drawn without colour.
WITH
    changes AS
    (
        SELECT
            Model AS step,
            toFloat64(sumIf(CostUsd, Time > $__fromTime)) - toFloat64(sumIf(CostUsd, Time <= $__fromTime)) AS change,
            toFloat64(sumIf(CostUsd, Time <= $__fromTime)) AS before
        FROM llm_usage_1h
        WHERE Time > $__fromTime - ($__toTime - $__fromTime) AND Time <= $__toTime
            AND /* filters */
        GROUP BY Model
        HAVING before > 0 OR change != 0
        ORDER BY abs(change) DESC
        LIMIT 12
    ),
    steps AS
    (
        SELECT
            step, change,
            (SELECT sum(before) FROM changes) + sum(change) OVER (ORDER BY abs(change) DESC, step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS after,
            row_number() OVER (ORDER BY abs(change) DESC, step) AS position
        FROM changes
    )
SELECT step, base, nullIf(total, 0) AS total, nullIf(rise, 0) AS rise, nullIf(fall, 0) AS fall
FROM
(
    SELECT 'before' AS step, 0. AS base, (SELECT sum(before) FROM changes) AS total, 0. AS rise, 0. AS fall, 0 AS position
    UNION ALL
    SELECT step, least(after, after - change), 0., greatest(change, 0.), greatest(-change, 0.), toInt64(position) FROM steps
    UNION ALL
    SELECT 'now', 0., (SELECT sum(before) + sum(change) FROM changes), 0., 0., 1000
)
ORDER BY position
LIMIT 14
