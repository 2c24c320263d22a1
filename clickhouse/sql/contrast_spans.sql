-- Spans, whether each is in the selection, and its step: a part of another question.
SELECT
    *,
    toBool(/* selection */) AS Selected,
    intDiv(toUnixTimestamp64Nano(Timestamp) - {start_ns:Int64}, {step_ns:Int64}) AS Step
FROM (/* spans */)
