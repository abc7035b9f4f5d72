-- title: Errors
-- answers: Which errors occur, how often, to whom; the most frequent first.
-- reads: calls
-- param since DateTime = 24h: from this moment on
-- param until DateTime = now: before this moment
-- param limit UInt32 = 50: how many rows
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
WHERE ${within} AND call.status != 'SUCCESS'
GROUP BY status, error_type, error_code, http_status_code, provider, model
ORDER BY calls DESC, status, error_type, error_code, http_status_code, provider, model
LIMIT {limit:UInt32}
