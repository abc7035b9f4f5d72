-- title: Spend by hour
-- answers: What each hour has cost, in order of time.
-- reads: usage_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
SELECT
    call.hour AS hour,
    ${spend}
FROM usage_hour AS call
WHERE ${within_hours}
GROUP BY hour
ORDER BY hour
