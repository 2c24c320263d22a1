-- Spans of a shop, ten to a trace, within an hour: a request, an agent, a retrieval, two tools and
-- five calls. Ids, times, models and usage are hashes of the number, so every run is the same.
INSERT INTO otel_traces
(
    Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes,
    ScopeName, ScopeVersion, SpanAttributes, SpanAttributeTypes, Duration, StatusCode, Convention,
    SpanClass, Operation, Provider, RequestModel, ResponseModel, Model, Status, Outcome, UsageRole,
    UsageSource, TokensInput, TokensCacheRead, TokensOutput, CostUsd, CostInputUsd, CostOutputUsd,
    CostSource, PriceId, Feature, Endpoint, Tenant, Environment, Release, Agent, Tool
)
WITH
    intDiv(number, 10) AS trace,
    number % 10 AS place,
    place >= 5 AS is_call,
    sipHash64(trace) AS trace_hash,
    sipHash64(number, 1) AS chance,
    toInt64({start_ns:Int64} + trace_hash % 3540000000000) AS trace_start,
    ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-5', 'gemini-2.5-flash'][chance % 4 + 1] AS model,
    ['openai', 'openai', 'anthropic', 'gcp.gemini'][chance % 4 + 1] AS provider,
    toUInt64(1 + intDiv(chance, 7) % 20000) AS asked,
    toUInt64(1 + intDiv(chance, 11) % 2000) AS answered,
    is_call AND chance % 50 = 0 AS failed
SELECT
    fromUnixTimestamp64Nano(toInt64(trace_start + place * 50000000 + chance % 10000000)) AS Timestamp,
    lower(hex(sipHash128(trace))) AS TraceId,
    lower(hex(sipHash64(number, 2))) AS SpanId,
    if(place = 0, '', lower(hex(sipHash64(trace * 10 + (place > 1), 2)))) AS ParentSpanId,
    if(is_call, concat('chat ', model),
        ['POST /chat', 'invoke_agent shop', 'retrieval docs', 'execute_tool find', 'execute_tool order'][place + 1])
        AS SpanName,
    if(place = 0, 'Server', if(is_call, 'Client', 'Internal')) AS SpanKind,
    concat('shop-', toString(trace_hash % 8)) AS ServiceName,
    map('service.name', concat('shop-', toString(trace_hash % 8)), 'service.version', '1.4.2',
        'deployment.environment.name', 'production', 'telemetry.sdk.language', 'python')
        AS ResourceAttributes,
    'bench' AS ScopeName,
    '1.0' AS ScopeVersion,
    multiIf(
        is_call, map('session.id', concat('s-', toString(trace_hash % 10000)),
            'gen_ai.operation.name', 'chat', 'gen_ai.provider.name', provider,
            'gen_ai.request.model', model, 'gen_ai.response.model', model,
            'gen_ai.usage.input_tokens', toString(asked), 'gen_ai.usage.output_tokens', toString(answered),
            'gen_ai.response.finish_reasons', '["stop"]'),
        place = 0, map('session.id', concat('s-', toString(trace_hash % 10000)), 'http.route', '/chat',
            'http.response.status_code', if(trace_hash % 100 = 0, '500', '200')),
        map('session.id', concat('s-', toString(trace_hash % 10000)), 'gen_ai.operation.name', 'execute_tool'))
        AS SpanAttributes,
    multiIf(
        is_call, map('gen_ai.usage.input_tokens', 'int', 'gen_ai.usage.output_tokens', 'int',
            'gen_ai.response.finish_reasons', '{"arrayValue":{"values":[{"stringValue":"stop"}]}}'),
        place = 0, map('http.response.status_code', 'int'),
        map()) AS SpanAttributeTypes,
    toUInt64(if(place = 0, 4000000000, 1000000) + intDiv(chance, 13) % 3000000000) AS Duration,
    if(failed, 'Error', 'Unset') AS StatusCode,
    if(is_call, 'gen_ai', '') AS Convention,
    ['', 'agent', 'retriever', 'tool', 'tool', 'call', 'call', 'call', 'call', 'call'][place + 1] AS SpanClass,
    ['', 'invoke_agent', 'retrieval', 'execute_tool', 'execute_tool', 'chat', 'chat', 'chat', 'chat', 'chat'][place + 1]
        AS Operation,
    if(is_call, provider, '') AS Provider,
    if(is_call, model, '') AS RequestModel,
    if(is_call, model, '') AS ResponseModel,
    if(is_call, model, '') AS Model,
    if(failed, 'error', 'ok') AS Status,
    if(is_call, if(failed, 'rate_limited', 'ok'), '') AS Outcome,
    if(is_call, 'own', '') AS UsageRole,
    if(is_call, 'reported', '') AS UsageSource,
    if(is_call, asked, NULL) AS TokensInput,
    if(is_call, intDiv(asked, 3), NULL) AS TokensCacheRead,
    if(is_call, answered, NULL) AS TokensOutput,
    if(is_call, toDecimal64((asked * 2500 + answered * 10000) / 1000000000, 9), NULL) AS CostUsd,
    if(is_call, toDecimal64(asked * 2500 / 1000000000, 9), NULL) AS CostInputUsd,
    if(is_call, toDecimal64(answered * 10000 / 1000000000, 9), NULL) AS CostOutputUsd,
    if(is_call, 'computed', '') AS CostSource,
    if(is_call, model, '') AS PriceId,
    ['search', 'support', 'checkout'][trace_hash % 3 + 1] AS Feature,
    if(place = 0, '/chat', '') AS Endpoint,
    concat('tenant-', toString(trace_hash % 20)) AS Tenant,
    'production' AS Environment,
    if(trace_hash % 2 = 0, '1.4.2', '1.5.0') AS Release,
    if(place > 0, 'shop', '') AS Agent,
    ['', '', '', 'find', 'order', '', '', '', '', ''][place + 1] AS Tool
FROM numbers({first:UInt64}, {spans:UInt64})
