-- One call's whole content: the span that was clicked, else the newest one.
SELECT 'system' AS part, System AS text FROM
(
    SELECT System, Input, Output FROM llm_content
    WHERE $__timeFilter(Timestamp) AND (${span_id:sqlstring} = '' OR SpanId = ${span_id:sqlstring})
    ORDER BY Timestamp DESC LIMIT 1
)
UNION ALL
SELECT 'prompt', Input FROM
(
    SELECT System, Input, Output FROM llm_content
    WHERE $__timeFilter(Timestamp) AND (${span_id:sqlstring} = '' OR SpanId = ${span_id:sqlstring})
    ORDER BY Timestamp DESC LIMIT 1
)
UNION ALL
SELECT 'answer', Output FROM
(
    SELECT System, Input, Output FROM llm_content
    WHERE $__timeFilter(Timestamp) AND (${span_id:sqlstring} = '' OR SpanId = ${span_id:sqlstring})
    ORDER BY Timestamp DESC LIMIT 1
)
LIMIT 3
