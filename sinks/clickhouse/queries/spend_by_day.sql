-- title: Spend by day
-- answers: What each UTC day has cost, in order of time.
-- reads: usage_day
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
SELECT
    call.day AS day,
    ${spend}
FROM usage_day AS call
WHERE ${within_days}
GROUP BY day
ORDER BY day
