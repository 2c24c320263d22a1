-- Usage of the spans that own it, by time and by columns. Each figure is what the views that fill
-- llm_usage_1m write, so both sources give the same sums. Their text is not taken from there: an
-- applied migration never changes, and a later one may replace a view. That the two say the same is
-- held by a property test of their answers.
SELECT /* figures */
FROM
(
    WITH
        UsageSource = 'estimated' AS tokens_estimated,
        tokens_estimated AND CostSource = 'computed' AS cost_estimated
    SELECT
        /* time */ AS TimeS,
        /* keys */
        count() AS Requests,
        countIf(Status = 'error') AS Errors,
        countIf(UsageSource IN ('missing', 'estimated') AND Status = 'ok') AS RequestsWithoutUsage,
        countIf(tokens_estimated) AS EstimatedRequests,
        countIf(UnpricedReason != '') AS UnpricedRequests,
        ifNull(sumIf(s.TokensInput, NOT tokens_estimated), 0) AS TokensInput,
        ifNull(sum(s.TokensInputAudio), 0) AS TokensInputAudio,
        ifNull(sum(s.TokensInputImage), 0) AS TokensInputImage,
        ifNull(sum(s.TokensCacheRead), 0) AS TokensCacheRead,
        ifNull(sum(s.TokensCacheWrite), 0) AS TokensCacheWrite,
        ifNull(sum(s.TokensCacheWrite1h), 0) AS TokensCacheWrite1h,
        ifNull(sumIf(s.TokensOutput, NOT tokens_estimated), 0) AS TokensOutput,
        ifNull(sum(s.TokensReasoning), 0) AS TokensReasoning,
        ifNull(sum(s.TokensOutputAudio), 0) AS TokensOutputAudio,
        ifNull(sum(s.TokensOutputImage), 0) AS TokensOutputImage,
        ifNull(sumIf(s.TokensInput, tokens_estimated), 0) AS EstimatedTokensInput,
        ifNull(sumIf(s.TokensOutput, tokens_estimated), 0) AS EstimatedTokensOutput,
        ifNull(sumIf(s.CostUsd, NOT cost_estimated), 0) AS CostUsd,
        ifNull(sumIf(s.CostInputUsd, NOT cost_estimated), 0) AS CostInputUsd,
        ifNull(sum(s.CostCacheReadUsd), 0) AS CostCacheReadUsd,
        ifNull(sum(s.CostCacheWriteUsd), 0) AS CostCacheWriteUsd,
        ifNull(sumIf(s.CostOutputUsd, NOT cost_estimated), 0) AS CostOutputUsd,
        ifNull(sum(s.CostReasoningUsd), 0) AS CostReasoningUsd,
        ifNull(sumIf(s.CostRequestUsd, NOT cost_estimated), 0) AS CostRequestUsd,
        ifNull(sumIf(s.CostUsd, cost_estimated), 0) AS EstimatedCostUsd,
        sum(s.Duration) AS DurationNs,
        quantilesTDigest(0.5, 0.9, 0.95, 0.99)(s.Duration) AS DurationQuantiles,
        quantilesTDigestIf(0.5, 0.9, 0.95, 0.99)(ifNull(s.TimeToFirstToken, 0), isNotNull(s.TimeToFirstToken))
            AS TimeToFirstTokenQuantiles,
        CAST(map(), 'Map(UInt8, UInt64)') AS TimeToFirstTokenBuckets,
        toInt64(/* order */) AS OrderValue
    FROM
    (
        SELECT *
        FROM otel_traces
        WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
            AND UsageRole = 'own'
            AND (/* condition */)
    ) AS s
    GROUP BY /* groups */
)
WHERE /* after */
ORDER BY /* direction */
LIMIT {limit:UInt64}
