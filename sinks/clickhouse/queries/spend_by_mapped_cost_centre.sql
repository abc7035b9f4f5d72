-- title: Spend by cost centre, mapped
-- answers: What each cost centre has cost as the mappings of each day say.
-- reads: calls_day, mappings
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
-- param limit UInt32 = 100: how many rows
SELECT
    ${mapped_cost_centre} AS cost_centre,
    ${spend}
FROM ${days_with_cost_centre}
GROUP BY cost_centre
ORDER BY cost_usd DESC NULLS LAST, calls DESC, cost_centre
LIMIT {limit:UInt32}
