SELECT
    call.session_id AS session,
    any(call.user_id) AS user,
    count() AS calls,
    sum(ifNull(call.input_tokens, 0)) AS input_tokens,
    sum(ifNull(call.output_tokens, 0)) AS output_tokens,
    max(call.input_tokens) AS largest_input_tokens,
    sum(call.cost_usd) AS cost_usd,
    min(call.time) AS first_at,
    max(call.time) AS last_at
FROM calls_corrected AS call
WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.session_id != ''
GROUP BY session
ORDER BY cost_usd DESC NULLS LAST, calls DESC, session
LIMIT {limit:UInt32}
