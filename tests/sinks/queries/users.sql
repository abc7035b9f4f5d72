SELECT
    uniqExactIf(call.user_id, call.user_id != '') AS users,
    uniqExactIf(call.api_key_id, call.api_key_id != '') AS api_keys,
    uniqExactIf(call.session_id, call.session_id != '') AS sessions,
    uniqExactIf(call.ip_address, call.ip_address != '') AS ip_addresses,
    countIf(call.status = 'AUTH_FAILED') AS auth_failures
FROM calls AS call
WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY
