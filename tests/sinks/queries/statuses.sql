SELECT
    call.status AS status,
    sum(call.calls) AS calls,
    calls / sum(calls) OVER () AS share
FROM calls_minute AS call
WHERE call.minute >= toStartOfMinute({since:DateTime('UTC')}) AND call.minute < {until:DateTime('UTC')}
GROUP BY status
ORDER BY calls DESC, status
