-- Usage from the tables by minute or hour, by time and by columns. Sums are exact; the percentiles of
-- the time to the first token are made from the buckets.
SELECT /* figures */
FROM
(
    SELECT
        /* time */ AS TimeS,
        /* keys */
        sum(s.Requests) AS Requests,
        sumIf(s.Requests, Status = 'error') AS Errors,
        sum(s.RequestsWithoutUsage) AS RequestsWithoutUsage,
        sum(s.EstimatedRequests) AS EstimatedRequests,
        sum(s.UnpricedRequests) AS UnpricedRequests,
        sum(s.TokensInput) AS TokensInput,
        sum(s.TokensInputAudio) AS TokensInputAudio,
        sum(s.TokensInputImage) AS TokensInputImage,
        sum(s.TokensCacheRead) AS TokensCacheRead,
        sum(s.TokensCacheWrite) AS TokensCacheWrite,
        sum(s.TokensCacheWrite1h) AS TokensCacheWrite1h,
        sum(s.TokensOutput) AS TokensOutput,
        sum(s.TokensReasoning) AS TokensReasoning,
        sum(s.TokensOutputAudio) AS TokensOutputAudio,
        sum(s.TokensOutputImage) AS TokensOutputImage,
        sum(s.EstimatedTokensInput) AS EstimatedTokensInput,
        sum(s.EstimatedTokensOutput) AS EstimatedTokensOutput,
        sum(s.CostUsd) AS CostUsd,
        sum(s.CostInputUsd) AS CostInputUsd,
        sum(s.CostCacheReadUsd) AS CostCacheReadUsd,
        sum(s.CostCacheWriteUsd) AS CostCacheWriteUsd,
        sum(s.CostOutputUsd) AS CostOutputUsd,
        sum(s.CostReasoningUsd) AS CostReasoningUsd,
        sum(s.CostRequestUsd) AS CostRequestUsd,
        sum(s.EstimatedCostUsd) AS EstimatedCostUsd,
        sum(s.Duration) AS DurationNs,
        quantilesTDigestMerge(0.5, 0.9, 0.95, 0.99)(s.DurationQuantiles) AS DurationQuantiles,
        CAST([], 'Array(Float32)') AS TimeToFirstTokenQuantiles,
        sumMap(s.TimeToFirstTokenBuckets) AS TimeToFirstTokenBuckets,
        toInt64(/* order */) AS OrderValue
    FROM
    (
        SELECT *
        FROM /* table */
        WHERE Time >= fromUnixTimestamp64Nano({start_ns:Int64})
            AND Time < fromUnixTimestamp64Nano({end_ns:Int64})
            AND (/* condition */)
    ) AS s
    GROUP BY /* groups */
)
WHERE /* after */
ORDER BY /* direction */
LIMIT {limit:UInt64}
