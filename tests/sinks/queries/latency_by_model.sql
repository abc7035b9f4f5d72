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
FROM usage_hour AS call
WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < {until:DateTime('UTC')}
GROUP BY provider, model
ORDER BY calls DESC, provider, model
