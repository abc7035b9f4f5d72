-- title: Users and keys of a period
-- answers: How many users, keys, sessions and addresses made calls, and how many keys were refused, in one row.
-- reads: calls
-- param since DateTime = 60m: from this moment on
-- param until DateTime = now: before this moment
SELECT
    uniqExactIf(call.user_id, call.user_id != '') AS users,
    uniqExactIf(call.api_key_id, call.api_key_id != '') AS api_keys,
    uniqExactIf(call.session_id, call.session_id != '') AS sessions,
    uniqExactIf(call.ip_address, call.ip_address != '') AS ip_addresses,
    countIf(call.status = 'AUTH_FAILED') AS auth_failures
FROM calls AS call
WHERE ${within}
