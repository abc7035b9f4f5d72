-- title: Top users
-- answers: Who makes the most calls.
-- reads: calls
-- param since DateTime = 60m: from this moment on
-- param until DateTime = now: before this moment
-- param limit UInt32 = 10: how many rows
SELECT
    call.user_id AS user,
    count() AS calls,
    countIf(call.status != 'SUCCESS') AS failures,
    sum(ifNull(call.input_tokens, 0) + ifNull(call.output_tokens, 0)) AS tokens,
    uniqExact(call.model) AS models
FROM calls AS call
WHERE ${within} AND call.user_id != ''
GROUP BY user
ORDER BY calls DESC, user
LIMIT {limit:UInt32}
