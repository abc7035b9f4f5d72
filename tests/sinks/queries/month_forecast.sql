SELECT
    call.department AS department,
    sum(call.cost_usd) AS spent_usd,
    greatest(dateDiff('day', {month:Date}, least(toDate({until:DateTime('UTC')}), toLastDayOfMonth({month:Date}) + 1)), 0) AS days_over,
    toDayOfMonth(toLastDayOfMonth({month:Date})) AS days,
    sumIf(call.cost_usd, call.day < toDate({until:DateTime('UTC')})) AS usd_of_days_over,
    if(days_over = 0, NULL, toFloat64(usd_of_days_over) / days_over * days) AS forecast_usd
FROM usage_day AS call
WHERE call.day >= {month:Date} AND call.day < {month:Date} + INTERVAL 1 MONTH
GROUP BY department
ORDER BY spent_usd DESC, department
