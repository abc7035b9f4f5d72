-- title: Cache hits
-- answers: Which share of the input tokens came from the provider's cache, for each model.
-- reads: usage_day, usage_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
SELECT
    call.provider AS provider,
    call.model AS model,
    sum(call.calls) AS calls,
    sum(call.input_tokens) AS input_tokens,
    sum(call.cache_read_tokens) AS cache_read_tokens,
    sum(call.cache_write_tokens) AS cache_write_tokens,
    if(input_tokens = 0, NULL, cache_read_tokens / input_tokens) AS cache_share
FROM ${caches_of_hours} AS call
GROUP BY provider, model
ORDER BY input_tokens DESC, provider, model
