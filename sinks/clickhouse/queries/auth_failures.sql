-- title: Refused keys
-- answers: Which keys were refused, from which addresses, and which services used them.
-- reads: calls
-- param since DateTime = 24h: from this moment on
-- param until DateTime = now: before this moment
-- param limit UInt32 = 50: how many rows
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
WHERE ${within} AND call.status = 'AUTH_FAILED'
GROUP BY key, ip_address
ORDER BY auth_failures DESC, key, ip_address
LIMIT {limit:UInt32}
