-- The nodes of the flow of money: models, features and the dearest users.
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
    node AS id,
    splitByString(': ', node, 2)[2] AS title,
    splitByString(': ', node, 2)[1] AS subtitle,
    sum(cost) AS mainstat,
    sum(cost) / (SELECT sum(cost) FROM flows) AS secondarystat
FROM (SELECT arrayJoin([model, feature, user]) AS node, cost FROM flows)
GROUP BY node
ORDER BY mainstat DESC
LIMIT 60
