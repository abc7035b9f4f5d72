-- title: Spend by team, mapped
-- answers: What each team has cost as the mappings of each day say.
-- reads: calls_day, mappings
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
-- param limit UInt32 = 100: how many rows
${known_team}
SELECT
    ${mapped_team} AS team,
    ${spend}
FROM calls_day AS call
WHERE ${within_days}
GROUP BY team
ORDER BY cost_usd DESC NULLS LAST, calls DESC, team
LIMIT {limit:UInt32}
