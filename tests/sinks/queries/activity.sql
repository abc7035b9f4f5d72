WITH (
    SELECT (uniqExactIf(pair.user_id, pair.user_id != ''), uniqExactIf(pair.api_key_id, pair.api_key_id != ''))
    FROM
    (
        SELECT call.user_id AS user_id, call.api_key_id AS api_key_id
        FROM (
    SELECT
        call.user_id AS user_id,
        call.api_key_id AS api_key_id
    FROM calls_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.day < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599))
    GROUP BY user_id, api_key_id
    UNION ALL
    SELECT
        call.user_id AS user_id,
        call.api_key_id AS api_key_id
    FROM calls_hour AS call
    WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < toStartOfHour({until:DateTime('UTC')} + 3599)
        AND NOT (call.hour >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.hour < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599)))
    GROUP BY user_id, api_key_id
) AS call
        GROUP BY user_id, api_key_id
    ) AS pair
) AS different
SELECT
    sum(call.calls) AS calls,
    sum(call.failures) AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls,
    different.1 AS users,
    different.2 AS api_keys,
    sum(call.auth_failures) AS auth_failures,
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
        sumIf(call.calls, call.status = 'AUTH_FAILED') AS auth_failures,
        sum(call.latency_count) AS latency_count,
        sum(call.latency_ms_sum) AS latency_ms_sum,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles) AS latency_quantiles
    FROM usage_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.day < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599))
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
        sumIf(call.calls, call.status = 'AUTH_FAILED') AS auth_failures,
        sum(call.latency_count) AS latency_count,
        sum(call.latency_ms_sum) AS latency_ms_sum,
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(call.latency_quantiles) AS latency_quantiles
    FROM usage_hour AS call
    WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < toStartOfHour({until:DateTime('UTC')} + 3599)
        AND NOT (call.hour >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.hour < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599)))
    GROUP BY provider, model
) AS call
