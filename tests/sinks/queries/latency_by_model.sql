SELECT
    call.provider AS provider,
    call.model AS model,
    sum(call.calls) AS calls,
    if(sum(call.latency_count) = 0, NULL, sum(call.latency_ms_sum) / sum(call.latency_count)) AS average_ms,
    if(sum(call.latency_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles)[1]) AS p50_ms,
    if(sum(call.latency_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles)[3]) AS p95_ms,
    if(sum(call.latency_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles)[4]) AS p99_ms,
    if(sum(call.time_to_first_token_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.time_to_first_token_quantiles)[1]) AS first_token_p50_ms,
    if(sum(call.time_to_first_token_count) = 0, NULL, quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(call.time_to_first_token_quantiles)[3]) AS first_token_p95_ms
FROM (
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.calls) AS calls,
        sum(call.latency_count) AS latency_count,
        sum(call.latency_ms_sum) AS latency_ms_sum,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles) AS latency_quantiles,
        sum(call.time_to_first_token_count) AS time_to_first_token_count,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.time_to_first_token_quantiles) AS time_to_first_token_quantiles
    FROM usage_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.day < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599))
    GROUP BY provider, model
    UNION ALL
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.calls) AS calls,
        sum(call.latency_count) AS latency_count,
        sum(call.latency_ms_sum) AS latency_ms_sum,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles) AS latency_quantiles,
        sum(call.time_to_first_token_count) AS time_to_first_token_count,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.time_to_first_token_quantiles) AS time_to_first_token_quantiles
    FROM usage_hour AS call
    WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < toStartOfHour({until:DateTime('UTC')} + 3599)
        AND NOT (call.hour >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.hour < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599)))
    GROUP BY provider, model
) AS call
GROUP BY provider, model
ORDER BY calls DESC, provider, model
