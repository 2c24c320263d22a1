-- What providers said is left of a limit, where the instrumentation records the answer's headers.
WITH
    SpanAttributes['http.response.header.x-ratelimit-remaining-requests'] AS openai_requests,
    SpanAttributes['http.response.header.x-ratelimit-remaining-tokens'] AS openai_tokens,
    SpanAttributes['http.response.header.anthropic-ratelimit-requests-remaining'] AS anthropic_requests,
    SpanAttributes['http.response.header.anthropic-ratelimit-tokens-remaining'] AS anthropic_tokens
SELECT
    $__timeInterval(Timestamp) AS time,
    Model,
    min(toInt64OrNull(extract(concat(openai_requests, anthropic_requests), '[0-9]+'))) AS requests,
    min(toInt64OrNull(extract(concat(openai_tokens, anthropic_tokens), '[0-9]+'))) AS tokens
FROM otel_traces
WHERE $__timeFilter(Timestamp)
    AND concat(openai_requests, openai_tokens, anthropic_requests, anthropic_tokens) != ''
    AND /* filters */
GROUP BY time, Model
ORDER BY time
LIMIT 5000
