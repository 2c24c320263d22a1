-- The texts of some spans around where the first word is found, or whole, and what the spans cost.
SELECT
    c.TraceId AS TraceId,
    c.SpanId AS SpanId,
    InputText,
    OutputText,
    InputChars,
    OutputChars,
    InputAt,
    OutputAt,
    SpanName,
    s.ServiceName AS ServiceName,
    Provider,
    s.Model AS Model,
    Operation,
    Status,
    UserId,
    SessionId,
    DurationNs,
    Tokens,
    CostUsd
FROM
(
    SELECT
        TraceId,
        SpanId,
        arrayFilter(at -> at > 0, arrayMap(word -> positionUTF8(lower(Input), word), {needles:Array(String)}))
            AS InputPlaces,
        if({before:Int64} < 0 OR empty(InputPlaces), 0, greatest(toInt64(arrayMin(InputPlaces)) - 1 - {before:Int64}, 0))
            AS InputAt,
        arrayFilter(at -> at > 0, arrayMap(word -> positionUTF8(lower(Output), word), {needles:Array(String)}))
            AS OutputPlaces,
        if({before:Int64} < 0 OR empty(OutputPlaces), 0, greatest(toInt64(arrayMin(OutputPlaces)) - 1 - {before:Int64}, 0))
            AS OutputAt,
        substringUTF8(Input, InputAt + 1, {chars:UInt64}) AS InputText,
        substringUTF8(Output, OutputAt + 1, {chars:UInt64}) AS OutputText,
        lengthUTF8(Input) AS InputChars,
        lengthUTF8(Output) AS OutputChars
    FROM llm_content
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND (TraceId, SpanId) IN {ids:Array(Tuple(String, String))}
) AS c
ANY LEFT JOIN
(
    SELECT
        TraceId, SpanId, SpanName, ServiceName, Provider, Model, Operation, Status, UserId, SessionId,
        Duration AS DurationNs, /* tokens */ AS Tokens, CostUsd
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end_ns:Int64})
        AND (TraceId, SpanId) IN {ids:Array(Tuple(String, String))}
        AND UsageRole != 'duplicate'
) AS s USING (TraceId, SpanId)
LIMIT 1 BY TraceId, SpanId
LIMIT {limit:UInt64}
