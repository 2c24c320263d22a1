-- The arrows of the flow of money: model to feature, feature to user.
WITH
    users AS
    (
        SELECT UserId FROM otel_traces
        WHERE $__timeFilter(Timestamp) AND UsageRole = 'own'
            AND /* filters */
        GROUP BY UserId ORDER BY sum(CostUsd) DESC LIMIT 10
    ),
    flows AS
    (
        SELECT
            concat('model: ', Model) AS model,
            concat('feature: ', if(Feature = '', '(none)', toString(Feature))) AS feature,
            concat('user: ', multiIf(UserId = '', '(none)', UserId IN (SELECT UserId FROM users), UserId, 'others')) AS user,
            toFloat64(sum(/* counted cost */)) AS cost
        FROM otel_traces
        WHERE $__timeFilter(Timestamp) AND UsageRole = 'own' AND /* counted cost */ > 0
            AND /* filters */
        GROUP BY model, feature, user
    )
SELECT
    concat(arrow.1, ' > ', arrow.2) AS id,
    arrow.1 AS source,
    arrow.2 AS target,
    sum(cost) AS mainstat,
    1 + 9 * sum(cost) / (SELECT sum(cost) FROM flows) AS thickness
FROM (SELECT arrayJoin([(model, feature), (feature, user)]) AS arrow, cost FROM flows)
GROUP BY arrow
ORDER BY mainstat DESC
LIMIT 200
