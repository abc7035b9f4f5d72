-- title: Spend by model
-- answers: What each model has cost, with its calls, failures and tokens; the dearest first.
-- reads: usage_day, usage_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
-- param limit UInt32 = 100: how many rows
SELECT
    call.model AS model,
    ${spend_of_sums}
FROM ${models_of_hours} AS call
GROUP BY model
ORDER BY cost_usd DESC NULLS LAST, calls DESC, model
LIMIT {limit:UInt32}
