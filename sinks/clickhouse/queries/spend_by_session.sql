-- title: Cost per session
-- answers: Which sessions cost most, and how many calls and tokens they took; `user` is one of the session's.
-- reads: calls_corrected
-- param since DateTime = 24h: from this moment on
-- param until DateTime = now: before this moment
-- param limit UInt32 = 20: how many rows
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
WHERE ${within} AND call.session_id != ''
GROUP BY session
ORDER BY cost_usd DESC NULLS LAST, calls DESC, session
LIMIT {limit:UInt32}
