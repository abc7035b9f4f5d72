-- title: Activity
-- answers: Calls, users, keys, tokens, cost, failures and refused keys of a period, in one row.
-- reads: usage_hour, calls_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
WITH (
    SELECT (uniqExactIf(pair.user_id, pair.user_id != ''), uniqExactIf(pair.api_key_id, pair.api_key_id != ''))
    FROM
    (
        SELECT call.user_id AS user_id, call.api_key_id AS api_key_id
        FROM calls_hour AS call
        WHERE ${within_hours}
        GROUP BY user_id, api_key_id
    ) AS pair
) AS different
SELECT
    ${spend},
    different.1 AS users,
    different.2 AS api_keys,
    sumIf(call.calls, call.status = 'AUTH_FAILED') AS auth_failures,
    if(calls = 0, NULL, failures / calls) AS failure_ratio,
    ${latency}
FROM usage_hour AS call
WHERE ${within_hours}
