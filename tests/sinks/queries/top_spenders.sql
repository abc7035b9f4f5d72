SELECT
    part.user AS user,
    arrayStringConcat(arraySort(groupUniqArray(part.department)), ', ') AS departments,
    sum(part.its_calls) AS calls,
    sum(part.its_failures) AS failures,
    sum(part.its_input) AS input_tokens,
    sum(part.its_output) AS output_tokens,
    if(sum(part.its_priced) = 0, NULL, sum(part.its_usd)) AS cost_usd,
    sum(part.its_unpriced) AS unpriced_calls,
    sum(cost_usd) OVER () AS all_usd,
    if(all_usd = 0, 0, toFloat64(ifNull(cost_usd, 0)) / toFloat64(all_usd)) AS share
FROM
(
    SELECT
        call.user_id AS user,
        call.department AS department,
        sum(call.calls) AS its_calls,
        sumIf(call.calls, call.status != 'SUCCESS') AS its_failures,
        sum(call.input_tokens) AS its_input,
        sum(call.output_tokens) AS its_output,
        sum(call.priced_calls) AS its_priced,
        sum(call.cost_usd) AS its_usd,
        sum(call.unpriced_calls) AS its_unpriced
    FROM calls_hour AS call
    WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < {until:DateTime('UTC')}
    GROUP BY user, department
) AS part
GROUP BY user
ORDER BY cost_usd DESC NULLS LAST, calls DESC, user
LIMIT {limit:UInt32}
