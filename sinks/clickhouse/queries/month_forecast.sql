-- title: Forecast to the end of the month
-- answers: What each department will have spent by the end of the month at the pace of its days so far; `tokentrail budgets` knows the weekdays, too.
-- reads: usage_day
-- param month Date = this month: its first day
-- param until DateTime = now: days that are over at this moment count
SELECT
    call.department AS department,
    sum(call.cost_usd) AS spent_usd,
    greatest(dateDiff('day', {month:Date}, least(toDate({until:DateTime('UTC')}), toLastDayOfMonth({month:Date}) + 1)), 0) AS days_over,
    toDayOfMonth(toLastDayOfMonth({month:Date})) AS days,
    sumIf(call.cost_usd, call.day < toDate({until:DateTime('UTC')})) AS usd_of_days_over,
    if(days_over = 0, NULL, toFloat64(usd_of_days_over) / days_over * days) AS forecast_usd
FROM usage_day AS call
WHERE ${within_month}
GROUP BY department
ORDER BY spent_usd DESC, department
