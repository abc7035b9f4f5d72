SELECT
    call.api_key_id AS key,
    sum(call.calls) AS calls,
    sum(call.failures) AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls
FROM (
    SELECT
        call.api_key_id AS api_key_id,
        sum(call.calls) AS calls,
        sumIf(call.calls, call.status != 'SUCCESS') AS failures,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.priced_calls) AS priced_calls,
        sum(call.cost_usd) AS cost_usd,
        sum(call.unpriced_calls) AS unpriced_calls
    FROM calls_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.day < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599))
    GROUP BY api_key_id
    UNION ALL
    SELECT
        call.api_key_id AS api_key_id,
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
    GROUP BY api_key_id
) AS call
GROUP BY key
ORDER BY cost_usd DESC NULLS LAST, calls DESC, key
LIMIT {limit:UInt32}
