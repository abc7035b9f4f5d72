-- title: Statistics of a period
-- answers: Calls, failures, tokens, cost and latency of the last minutes, in one row.
-- reads: usage_day, usage_hour, calls_minute
-- param since DateTime = 60m: from this moment on, full minutes
-- param until DateTime = now: before this moment, full minutes
SELECT
    ${spend_of_sums},
    if(calls = 0, NULL, failures / calls) AS failure_ratio,
    ${latency}
FROM ${models_of_minutes} AS call
