SELECT
    call.provider AS provider,
    call.model AS model,
    sum(call.calls) AS calls,
    sum(call.input_tokens) AS input_tokens,
    sum(call.cache_read_tokens) AS cache_read_tokens,
    sum(call.cache_write_tokens) AS cache_write_tokens,
    if(input_tokens = 0, NULL, cache_read_tokens / input_tokens) AS cache_share
FROM (
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.calls) AS calls,
        sum(call.input_tokens) AS input_tokens,
        sum(call.cache_read_tokens) AS cache_read_tokens,
        sum(call.cache_write_tokens) AS cache_write_tokens
    FROM usage_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.day < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599))
    GROUP BY provider, model
    UNION ALL
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.calls) AS calls,
        sum(call.input_tokens) AS input_tokens,
        sum(call.cache_read_tokens) AS cache_read_tokens,
        sum(call.cache_write_tokens) AS cache_write_tokens
    FROM usage_hour AS call
    WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < toStartOfHour({until:DateTime('UTC')} + 3599)
        AND NOT (call.hour >= toStartOfDay(toStartOfHour({since:DateTime('UTC')}) + 86399) AND call.hour < toStartOfDay(toStartOfHour({until:DateTime('UTC')} + 3599)))
    GROUP BY provider, model
) AS call
GROUP BY provider, model
ORDER BY input_tokens DESC, provider, model
