-- title: Spend by department
-- answers: What each department has cost, with its calls, failures and tokens; the dearest first.
-- reads: usage_day, usage_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
-- param limit UInt32 = 100: how many rows
SELECT
    call.department AS department,
    ${spend}
FROM ${departments_of_hours} AS call
GROUP BY department
ORDER BY cost_usd DESC NULLS LAST, calls DESC, department
LIMIT {limit:UInt32}
