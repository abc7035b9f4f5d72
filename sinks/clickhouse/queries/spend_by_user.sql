-- title: Spend by user
-- answers: What each user has cost, with its calls, failures and tokens; the dearest first.
-- reads: calls_day, calls_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
-- param limit UInt32 = 100: how many rows
SELECT
    call.user_id AS user,
    ${spend_of_sums}
FROM ${users_of_hours} AS call
GROUP BY user
ORDER BY cost_usd DESC NULLS LAST, calls DESC, user
LIMIT {limit:UInt32}
