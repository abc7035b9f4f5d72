-- title: Spend by environment
-- answers: What each environment has cost, with its calls, failures and tokens; the dearest first.
-- reads: usage_day, usage_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
-- param limit UInt32 = 100: how many rows
SELECT
    call.environment AS environment,
    ${spend}
FROM ${environments_of_hours} AS call
GROUP BY environment
ORDER BY cost_usd DESC NULLS LAST, calls DESC, environment
LIMIT {limit:UInt32}
