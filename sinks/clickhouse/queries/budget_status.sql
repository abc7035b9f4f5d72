-- title: Budgets of departments
-- answers: What departments have spent in a month, and what is left of the limits given with the question.
-- reads: usage_day
-- param month Date = this month: its first day
-- param limits_usd String: what each may spend, as JSON: {"research": 8000, "sales": 500}
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
    WHERE ${within_month}
    GROUP BY department
) AS spend ON spend.department = budget.department
ORDER BY used DESC, department
