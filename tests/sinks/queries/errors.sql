SELECT
    call.status AS status,
    call.error_type AS error_type,
    call.error_code AS error_code,
    call.http_status_code AS http_status_code,
    call.provider AS provider,
    call.model AS model,
    count() AS calls,
    uniqExact(call.user_id) AS users,
    min(call.time) AS first_at,
    max(call.time) AS last_at
FROM calls AS call
WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.status != 'SUCCESS'
GROUP BY status, error_type, error_code, http_status_code, provider, model
ORDER BY calls DESC, status, error_type, error_code, http_status_code, provider, model
LIMIT {limit:UInt32}
