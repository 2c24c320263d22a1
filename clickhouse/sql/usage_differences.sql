-- The groups of a day, what the spans of each add up to, and what the usage by minute or hour says.
FROM
(
    SELECT
        /* start */(Timestamp) AS Time,
        /* group */,
        toInt64(count()) AS Calls,
        toInt64(countIf(UnpricedReason != '')) AS Unpriced,
        /* sums */
    FROM otel_traces AS t
    WHERE toDate(Timestamp) = {day:Date} AND SpanClass = 'call' AND UsageRole = 'own'
    GROUP BY Time, /* group */
) AS s
INNER JOIN
(
    SELECT
        Time,
        /* group */,
        toInt64(sum(t.Requests)) AS Calls,
        toInt64(sum(t.UnpricedRequests)) AS Unpriced,
        /* sums */
    FROM /* table */ AS t
    WHERE toDate(Time) = {day:Date}
    GROUP BY Time, /* group */
) AS u USING (Time, /* group */)
