-- One call's whole content: the span that was clicked, else the newest one.
SELECT piece.1 AS part, piece.2 AS text
FROM
(
    SELECT System, Input, Output
    FROM llm_content
    WHERE $__timeFilter(Timestamp) AND (${span_id:sqlstring} = '' OR SpanId = ${span_id:sqlstring})
    ORDER BY Timestamp DESC
    LIMIT 1
)
ARRAY JOIN [('instructions', System), ('prompt', Input), ('answer', Output)] AS piece
LIMIT 3
