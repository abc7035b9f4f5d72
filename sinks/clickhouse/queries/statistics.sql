-- title: Statistics of a period
-- answers: Calls, failures, tokens, cost and latency of the last minutes, in one row.
-- reads: calls_minute
-- param since DateTime = 60m: from this moment on, full minutes
-- param until DateTime = now: before this moment, full minutes
SELECT
    ${spend},
    if(calls = 0, NULL, failures / calls) AS failure_ratio,
    ${latency}
FROM calls_minute AS call
WHERE ${within_minutes}
