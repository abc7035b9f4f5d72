-- title: Spend by API key
-- answers: What each API key has cost, with its calls, failures and tokens; the dearest first.
-- reads: calls_day, calls_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
-- param limit UInt32 = 100: how many rows
SELECT
    call.api_key_id AS key,
    ${spend_of_sums}
FROM ${keys_of_hours} AS call
GROUP BY key
ORDER BY cost_usd DESC NULLS LAST, calls DESC, key
LIMIT {limit:UInt32}
