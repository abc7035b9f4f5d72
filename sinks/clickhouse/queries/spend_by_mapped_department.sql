-- title: Spend by department, mapped
-- answers: What each department has cost as the mappings of each day say.
-- reads: calls_day, mappings
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
-- param limit UInt32 = 100: how many rows
${known_department}
SELECT
    ${mapped_department} AS department,
    ${spend}
FROM calls_day AS call
WHERE ${within_days}
GROUP BY department
ORDER BY cost_usd DESC NULLS LAST, calls DESC, department
LIMIT {limit:UInt32}
