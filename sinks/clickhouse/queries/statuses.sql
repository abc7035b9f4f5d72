-- title: Calls by outcome
-- answers: How calls ended, with the share of each outcome.
-- reads: usage_day, usage_hour, calls_minute
-- param since DateTime = 60m: from this moment on, full minutes
-- param until DateTime = now: before this moment, full minutes
SELECT
    call.status AS status,
    sum(call.calls) AS calls,
    calls / sum(calls) OVER () AS share
FROM ${statuses_of_minutes} AS call
GROUP BY status
ORDER BY calls DESC, status
