-- title: Spend by team
-- answers: What each team (the attribute `team` of a call) has cost, with its calls, failures and tokens; the dearest first.
-- reads: usage_day, usage_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
-- param limit UInt32 = 100: how many rows
SELECT
    call.team AS team,
    ${spend}
FROM ${teams_of_hours} AS call
GROUP BY team
ORDER BY cost_usd DESC NULLS LAST, calls DESC, team
LIMIT {limit:UInt32}
