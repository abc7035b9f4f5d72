-- title: Statistics by model
-- answers: The same for each model.
-- reads: calls_minute
-- param since DateTime = 60m: from this moment on, full minutes
-- param until DateTime = now: before this moment, full minutes
SELECT
    call.provider AS provider,
    call.model AS model,
    ${spend},
    if(calls = 0, NULL, failures / calls) AS failure_ratio,
    ${latency}
FROM calls_minute AS call
WHERE ${within_minutes}
GROUP BY provider, model
ORDER BY calls DESC, provider, model
