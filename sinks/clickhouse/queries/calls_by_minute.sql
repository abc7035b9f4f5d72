-- title: Calls by minute
-- answers: How many calls there were in each minute, how many failed, and what they cost.
-- reads: calls_minute
-- param since DateTime = 60m: from this moment on, full minutes
-- param until DateTime = now: before this moment, full minutes
SELECT
    call.minute AS minute,
    ${spend}
FROM calls_minute AS call
WHERE ${within_minutes}
GROUP BY minute
ORDER BY minute
