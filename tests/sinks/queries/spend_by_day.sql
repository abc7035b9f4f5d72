SELECT
    call.day AS day,
    sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls
FROM usage_day AS call
WHERE call.day >= toDate({since:DateTime('UTC')}) AND call.day < {until:DateTime('UTC')}
GROUP BY day
ORDER BY day
