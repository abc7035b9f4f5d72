SELECT
    call.feature AS feature,
    sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls
FROM (
    SELECT
        call.feature AS feature,
        call.status AS status,
        call.calls AS calls,
        call.input_tokens AS input_tokens,
        call.output_tokens AS output_tokens,
        call.priced_calls AS priced_calls,
        call.cost_usd AS cost_usd,
        call.unpriced_calls AS unpriced_calls
    FROM usage_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.day < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599))
    UNION ALL
    SELECT
        call.feature AS feature,
        call.status AS status,
        call.calls AS calls,
        call.input_tokens AS input_tokens,
        call.output_tokens AS output_tokens,
        call.priced_calls AS priced_calls,
        call.cost_usd AS cost_usd,
        call.unpriced_calls AS unpriced_calls
    FROM usage_hour AS call
    WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < toStartOfHour({until:DateTime('UTC')} + 3599)
        AND NOT (call.hour >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.hour < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599)))
) AS call
GROUP BY feature
ORDER BY cost_usd DESC NULLS LAST, calls DESC, feature
LIMIT {limit:UInt32}
