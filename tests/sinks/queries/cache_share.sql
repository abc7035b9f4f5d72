SELECT
    call.provider AS provider,
    call.model AS model,
    sum(call.calls) AS calls,
    sum(call.input_tokens) AS input_tokens,
    sum(call.cache_read_tokens) AS cache_read_tokens,
    sum(call.cache_write_tokens) AS cache_write_tokens,
    if(input_tokens = 0, NULL, cache_read_tokens / input_tokens) AS cache_share
FROM usage_hour AS call
WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < {until:DateTime('UTC')}
GROUP BY provider, model
ORDER BY input_tokens DESC, provider, model
