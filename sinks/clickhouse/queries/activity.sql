-- title: Activity
-- answers: Calls, users, keys, tokens, cost, failures and refused keys of a period, in one row.
-- reads: usage_day, usage_hour, calls_day, calls_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
WITH (
    SELECT (uniqExactIf(pair.user_id, pair.user_id != ''), uniqExactIf(pair.api_key_id, pair.api_key_id != ''))
    FROM
    (
        SELECT call.user_id AS user_id, call.api_key_id AS api_key_id
        FROM ${persons_of_hours} AS call
        GROUP BY user_id, api_key_id
    ) AS pair
) AS different
SELECT
    ${spend_of_sums},
    different.1 AS users,
    different.2 AS api_keys,
    sum(call.auth_failures) AS auth_failures,
    if(calls = 0, NULL, failures / calls) AS failure_ratio,
    ${latency}
FROM ${activity_of_hours} AS call
