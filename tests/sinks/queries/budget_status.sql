SELECT
    budget.department AS department,
    budget.limit_usd AS limit_usd,
    ifNull(spend.its_usd, 0) AS spent_usd,
    limit_usd - spent_usd AS remaining_usd,
    if(limit_usd = 0, NULL, toFloat64(spent_usd) / toFloat64(limit_usd)) AS used
FROM
(
    SELECT pair.1 AS department, pair.2 AS limit_usd
    FROM (SELECT arrayJoin(JSONExtractKeysAndValues({limits_usd:String}, 'Decimal(18, 2)')) AS pair)
) AS budget
LEFT JOIN
(
    SELECT toString(call.department) AS department, sum(call.cost_usd) AS its_usd
    FROM usage_day AS call
    WHERE call.day >= {month:Date} AND call.day < {month:Date} + INTERVAL 1 MONTH
    GROUP BY department
) AS spend ON spend.department = budget.department
ORDER BY used DESC, department
