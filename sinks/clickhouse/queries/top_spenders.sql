-- title: Top spenders
-- answers: The users who cost most, with department and share of the whole.
-- reads: calls_day, calls_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
-- param limit UInt32 = 10: how many rows
SELECT
    call.user_id AS user,
    arrayStringConcat(arraySort(groupUniqArray(call.department)), ', ') AS departments,
    ${spend_of_sums},
    sum(cost_usd) OVER () AS all_usd,
    if(all_usd = 0, 0, toFloat64(ifNull(cost_usd, 0)) / toFloat64(all_usd)) AS share
FROM ${spenders_of_hours} AS call
GROUP BY user
ORDER BY cost_usd DESC NULLS LAST, calls DESC, user
LIMIT {limit:UInt32}
