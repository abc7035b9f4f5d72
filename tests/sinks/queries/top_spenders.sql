SELECT
    call.user_id AS user,
    arrayStringConcat(arraySort(groupUniqArray(call.department)), ', ') AS departments,
    sum(call.calls) AS calls,
    sum(call.failures) AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls,
    sum(cost_usd) OVER () AS all_usd,
    if(all_usd = 0, 0, toFloat64(ifNull(cost_usd, 0)) / toFloat64(all_usd)) AS share
FROM (
    SELECT
        call.user_id AS user_id,
        call.department AS department,
        sum(call.calls) AS calls,
        sumIf(call.calls, call.status != 'SUCCESS') AS failures,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.priced_calls) AS priced_calls,
        sum(call.cost_usd) AS cost_usd,
        sum(call.unpriced_calls) AS unpriced_calls
    FROM calls_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.day < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599))
    GROUP BY user_id, department
    UNION ALL
    SELECT
        call.user_id AS user_id,
        call.department AS department,
        sum(call.calls) AS calls,
        sumIf(call.calls, call.status != 'SUCCESS') AS failures,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.priced_calls) AS priced_calls,
        sum(call.cost_usd) AS cost_usd,
        sum(call.unpriced_calls) AS unpriced_calls
    FROM calls_hour AS call
    WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < toStartOfHour({until:DateTime('UTC')} + 3599)
        AND NOT (call.hour >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.hour < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599)))
    GROUP BY user_id, department
) AS call
GROUP BY user
ORDER BY cost_usd DESC NULLS LAST, calls DESC, user
LIMIT {limit:UInt32}
