SELECT
    call.api_key_id AS key,
    any(call.api_key_hint) AS key_hint,
    call.ip_address AS ip_address,
    count() AS auth_failures,
    arraySort(groupUniqArray(call.service)) AS services,
    arraySort(groupUniqArray(call.user_id)) AS users,
    min(call.time) AS first_at,
    max(call.time) AS last_at
FROM calls AS call
WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.status = 'AUTH_FAILED'
GROUP BY key, ip_address
ORDER BY auth_failures DESC, key, ip_address
LIMIT {limit:UInt32}
