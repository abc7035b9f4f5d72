-- title: Spend by cost centre, mapped
-- answers: What each cost centre has cost as the mappings of each day say.
-- reads: calls_day, mappings
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
-- param limit UInt32 = 100: how many rows
${known_cost_centre}
SELECT
    ${mapped_cost_centre} AS cost_centre,
    ${spend}
FROM calls_day AS call
WHERE ${within_days}
GROUP BY cost_centre
ORDER BY cost_usd DESC NULLS LAST, calls DESC, cost_centre
LIMIT {limit:UInt32}
