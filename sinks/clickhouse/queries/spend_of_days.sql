-- title: Spend of each department by day
-- answers: The days behind budgets, forecasts and charts.
-- reads: usage_day
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
SELECT
    call.day AS day,
    call.department AS department,
    ${spend}
FROM usage_day AS call
WHERE ${within_days}
GROUP BY day, department
ORDER BY day, cost_usd DESC, department
