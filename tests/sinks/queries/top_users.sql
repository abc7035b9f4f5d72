SELECT
    call.user_id AS user,
    count() AS calls,
    countIf(call.status != 'SUCCESS') AS failures,
    sum(ifNull(call.input_tokens, 0) + ifNull(call.output_tokens, 0)) AS tokens,
    uniqExact(call.model) AS models
FROM calls AS call
WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.user_id != ''
GROUP BY user
ORDER BY calls DESC, user
LIMIT {limit:UInt32}
