-- title: Latency by model
-- answers: Average, p50, p95 and p99 of latency and of the time to the first token, for each model.
-- reads: usage_day, usage_hour
-- param since DateTime = 24h: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
SELECT
    call.provider AS provider,
    call.model AS model,
    sum(call.calls) AS calls,
    ${latency},
    ${first_token}
FROM ${latencies_of_hours} AS call
GROUP BY provider, model
ORDER BY calls DESC, provider, model
