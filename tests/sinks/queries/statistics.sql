SELECT
    sum(call.calls) AS calls,
    sum(call.failures) AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls,
    if(calls = 0, NULL, failures / calls) AS failure_ratio,
    if(sum(call.latency_count) = 0, NULL, sum(call.latency_ms_sum) / sum(call.latency_count)) AS average_ms,
    if(sum(call.latency_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles)[1]) AS p50_ms,
    if(sum(call.latency_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles)[3]) AS p95_ms,
    if(sum(call.latency_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles)[4]) AS p99_ms
FROM (
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.calls) AS calls,
        sumIf(call.calls, call.status != 'SUCCESS') AS failures,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.priced_calls) AS priced_calls,
        sum(call.cost_usd) AS cost_usd,
        sum(call.unpriced_calls) AS unpriced_calls,
        sum(call.latency_count) AS latency_count,
        sum(call.latency_ms_sum) AS latency_ms_sum,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles) AS latency_quantiles
    FROM usage_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) + 86399) AND call.day < toStartOfDay(toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59)))
    GROUP BY provider, model
    UNION ALL
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.calls) AS calls,
        sumIf(call.calls, call.status != 'SUCCESS') AS failures,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.priced_calls) AS priced_calls,
        sum(call.cost_usd) AS cost_usd,
        sum(call.unpriced_calls) AS unpriced_calls,
        sum(call.latency_count) AS latency_count,
        sum(call.latency_ms_sum) AS latency_ms_sum,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles) AS latency_quantiles
    FROM usage_hour AS call
    WHERE call.hour >= toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) AND call.hour < toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59))
        AND NOT (call.hour >= toStartOfDay(toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) + 86399) AND call.hour < toStartOfDay(toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59))))
    GROUP BY provider, model
    UNION ALL
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.calls) AS calls,
        sumIf(call.calls, call.status != 'SUCCESS') AS failures,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.priced_calls) AS priced_calls,
        sum(call.cost_usd) AS cost_usd,
        sum(call.unpriced_calls) AS unpriced_calls,
        sum(call.latency_count) AS latency_count,
        sum(call.latency_ms_sum) AS latency_ms_sum,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles) AS latency_quantiles
    FROM calls_minute AS call
    WHERE call.minute >= toStartOfMinute({since:DateTime('UTC')}) AND call.minute < toStartOfMinute({until:DateTime('UTC')} + 59)
        AND NOT (call.minute >= toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) AND call.minute < toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59)))
    GROUP BY provider, model
) AS call
