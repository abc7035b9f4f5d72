SELECT
    call.user_id AS user,
    arrayStringConcat(arraySort(groupUniqArray(call.department)), ', ') AS departments,
    sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls,
    sum(cost_usd) OVER () AS all_usd,
    if(all_usd = 0, 0, toFloat64(ifNull(cost_usd, 0)) / toFloat64(all_usd)) AS share
FROM calls_hour AS call
WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < {until:DateTime('UTC')}
GROUP BY user
ORDER BY cost_usd DESC NULLS LAST, calls DESC, user
LIMIT {limit:UInt32}
