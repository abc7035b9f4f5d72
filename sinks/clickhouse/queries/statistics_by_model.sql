-- title: Statistics by model
-- answers: The same for each model.
-- reads: usage_day, usage_hour, calls_minute
-- param since DateTime = 60m: from this moment on, full minutes
-- param until DateTime = now: before this moment, full minutes
SELECT
    call.provider AS provider,
    call.model AS model,
    ${spend_of_sums},
    if(calls = 0, NULL, failures / calls) AS failure_ratio,
    ${latency}
FROM ${models_of_minutes} AS call
GROUP BY provider, model
ORDER BY calls DESC, provider, model
