-- Calls by minute and by hour, for the dimensions that people group by. Only spans that own their
-- usage are in here. A bucket is the position of the first bound that is not exceeded, in the bounds of
-- llm_request_duration_seconds: so a heat map or a percentile from here agrees with Prometheus.
-- Tokens and costs are exact; what was estimated for calls that report no usage has its own columns.
CREATE TABLE IF NOT EXISTS llm_usage_1m
(
    Time DateTime CODEC(Delta, ZSTD(1)),
    Environment LowCardinality(String),
    ServiceName LowCardinality(String),
    Provider LowCardinality(String),
    Model LowCardinality(String),
    Operation LowCardinality(String),
    Status LowCardinality(String),
    ErrorType LowCardinality(String),
    Feature LowCardinality(String),
    Tenant LowCardinality(String),
    Release LowCardinality(String),
    Agent LowCardinality(String),
    Requests SimpleAggregateFunction(sum, UInt64),
    RequestsWithoutUsage SimpleAggregateFunction(sum, UInt64),
    EstimatedRequests SimpleAggregateFunction(sum, UInt64),
    UnpricedRequests SimpleAggregateFunction(sum, UInt64),
    TokensInput SimpleAggregateFunction(sum, UInt64),
    TokensInputAudio SimpleAggregateFunction(sum, UInt64),
    TokensInputImage SimpleAggregateFunction(sum, UInt64),
    TokensCacheRead SimpleAggregateFunction(sum, UInt64),
    TokensCacheWrite SimpleAggregateFunction(sum, UInt64),
    TokensCacheWrite1h SimpleAggregateFunction(sum, UInt64),
    TokensOutput SimpleAggregateFunction(sum, UInt64),
    TokensReasoning SimpleAggregateFunction(sum, UInt64),
    TokensOutputAudio SimpleAggregateFunction(sum, UInt64),
    TokensOutputImage SimpleAggregateFunction(sum, UInt64),
    EstimatedTokensInput SimpleAggregateFunction(sum, UInt64),
    EstimatedTokensOutput SimpleAggregateFunction(sum, UInt64),
    CostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostInputUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostCacheReadUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostCacheWriteUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostOutputUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostReasoningUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostRequestUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    EstimatedCostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    Duration SimpleAggregateFunction(sum, UInt64),
    DurationBuckets SimpleAggregateFunction(sumMap, Map(UInt8, UInt64)),
    TimeToFirstTokenBuckets SimpleAggregateFunction(sumMap, Map(UInt8, UInt64)),
    DurationQuantiles AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Time)
ORDER BY (Time, Environment, ServiceName, Provider, Model, Operation, Status, ErrorType, Feature, Tenant, Release, Agent)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS llm_usage_1m_mv TO llm_usage_1m AS
WITH [
        10000000, 20000000, 40000000, 80000000, 160000000, 320000000, 640000000, 1280000000,
        2560000000, 5120000000, 10240000000, 20480000000, 40960000000, 81920000000, 163840000000,
        327680000000
    ] AS bounds,
    UsageSource = 'estimated' AS tokens_estimated,
    -- A cost that the sender reports is exact whatever is known of the tokens.
    tokens_estimated AND CostSource = 'computed' AS cost_estimated
SELECT
    toStartOfMinute(Timestamp) AS Time,
    Environment,
    ServiceName,
    Provider,
    Model,
    Operation,
    Status,
    ErrorType,
    Feature,
    Tenant,
    Release,
    Agent,
    count() AS Requests,
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
    sum(s.Duration) AS Duration,
    sumMap(map(toUInt8(arrayCount(bound -> bound < s.Duration, bounds)), toUInt64(1))) AS DurationBuckets,
    sumMapIf(map(toUInt8(arrayCount(bound -> bound < ifNull(s.TimeToFirstToken, 0), bounds)), toUInt64(1)), isNotNull(s.TimeToFirstToken))
        AS TimeToFirstTokenBuckets,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(s.Duration) AS DurationQuantiles
FROM otel_traces AS s
WHERE UsageRole = 'own'
GROUP BY Time, Environment, ServiceName, Provider, Model, Operation, Status, ErrorType, Feature, Tenant, Release, Agent;

CREATE TABLE IF NOT EXISTS llm_usage_1h
(
    Time DateTime CODEC(Delta, ZSTD(1)),
    Environment LowCardinality(String),
    ServiceName LowCardinality(String),
    Provider LowCardinality(String),
    Model LowCardinality(String),
    Operation LowCardinality(String),
    Status LowCardinality(String),
    ErrorType LowCardinality(String),
    Feature LowCardinality(String),
    Tenant LowCardinality(String),
    Release LowCardinality(String),
    Agent LowCardinality(String),
    Requests SimpleAggregateFunction(sum, UInt64),
    RequestsWithoutUsage SimpleAggregateFunction(sum, UInt64),
    EstimatedRequests SimpleAggregateFunction(sum, UInt64),
    UnpricedRequests SimpleAggregateFunction(sum, UInt64),
    TokensInput SimpleAggregateFunction(sum, UInt64),
    TokensInputAudio SimpleAggregateFunction(sum, UInt64),
    TokensInputImage SimpleAggregateFunction(sum, UInt64),
    TokensCacheRead SimpleAggregateFunction(sum, UInt64),
    TokensCacheWrite SimpleAggregateFunction(sum, UInt64),
    TokensCacheWrite1h SimpleAggregateFunction(sum, UInt64),
    TokensOutput SimpleAggregateFunction(sum, UInt64),
    TokensReasoning SimpleAggregateFunction(sum, UInt64),
    TokensOutputAudio SimpleAggregateFunction(sum, UInt64),
    TokensOutputImage SimpleAggregateFunction(sum, UInt64),
    EstimatedTokensInput SimpleAggregateFunction(sum, UInt64),
    EstimatedTokensOutput SimpleAggregateFunction(sum, UInt64),
    CostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostInputUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostCacheReadUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostCacheWriteUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostOutputUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostReasoningUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    CostRequestUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    EstimatedCostUsd SimpleAggregateFunction(sum, Decimal(38, 9)),
    Duration SimpleAggregateFunction(sum, UInt64),
    DurationBuckets SimpleAggregateFunction(sumMap, Map(UInt8, UInt64)),
    TimeToFirstTokenBuckets SimpleAggregateFunction(sumMap, Map(UInt8, UInt64)),
    DurationQuantiles AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Time)
ORDER BY (Time, Environment, ServiceName, Provider, Model, Operation, Status, ErrorType, Feature, Tenant, Release, Agent)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000;

-- Fed by what arrives in the minute table.
CREATE MATERIALIZED VIEW IF NOT EXISTS llm_usage_1h_mv TO llm_usage_1h AS
SELECT
    toStartOfHour(m.Time) AS Time,
    Environment,
    ServiceName,
    Provider,
    Model,
    Operation,
    Status,
    ErrorType,
    Feature,
    Tenant,
    Release,
    Agent,
    sum(m.Requests) AS Requests,
    sum(m.RequestsWithoutUsage) AS RequestsWithoutUsage,
    sum(m.EstimatedRequests) AS EstimatedRequests,
    sum(m.UnpricedRequests) AS UnpricedRequests,
    sum(m.TokensInput) AS TokensInput,
    sum(m.TokensInputAudio) AS TokensInputAudio,
    sum(m.TokensInputImage) AS TokensInputImage,
    sum(m.TokensCacheRead) AS TokensCacheRead,
    sum(m.TokensCacheWrite) AS TokensCacheWrite,
    sum(m.TokensCacheWrite1h) AS TokensCacheWrite1h,
    sum(m.TokensOutput) AS TokensOutput,
    sum(m.TokensReasoning) AS TokensReasoning,
    sum(m.TokensOutputAudio) AS TokensOutputAudio,
    sum(m.TokensOutputImage) AS TokensOutputImage,
    sum(m.EstimatedTokensInput) AS EstimatedTokensInput,
    sum(m.EstimatedTokensOutput) AS EstimatedTokensOutput,
    sum(m.CostUsd) AS CostUsd,
    sum(m.CostInputUsd) AS CostInputUsd,
    sum(m.CostCacheReadUsd) AS CostCacheReadUsd,
    sum(m.CostCacheWriteUsd) AS CostCacheWriteUsd,
    sum(m.CostOutputUsd) AS CostOutputUsd,
    sum(m.CostReasoningUsd) AS CostReasoningUsd,
    sum(m.CostRequestUsd) AS CostRequestUsd,
    sum(m.EstimatedCostUsd) AS EstimatedCostUsd,
    sum(m.Duration) AS Duration,
    sumMap(m.DurationBuckets) AS DurationBuckets,
    sumMap(m.TimeToFirstTokenBuckets) AS TimeToFirstTokenBuckets,
    quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99)(m.DurationQuantiles) AS DurationQuantiles
FROM llm_usage_1m AS m
GROUP BY Time, Environment, ServiceName, Provider, Model, Operation, Status, ErrorType, Feature, Tenant, Release, Agent;
