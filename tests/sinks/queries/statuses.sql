SELECT
    call.status AS status,
    sum(call.calls) AS calls,
    calls / sum(calls) OVER () AS share
FROM (
    SELECT
        call.status AS status,
        call.calls AS calls
    FROM usage_day AS call
    WHERE call.day >= toStartOfDay(toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) + 86399) AND call.day < toStartOfDay(toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59)))
    UNION ALL
    SELECT
        call.status AS status,
        call.calls AS calls
    FROM usage_hour AS call
    WHERE call.hour >= toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) AND call.hour < toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59))
        AND NOT (call.hour >= toStartOfDay(toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) + 86399) AND call.hour < toStartOfDay(toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59))))
    UNION ALL
    SELECT
        call.status AS status,
        call.calls AS calls
    FROM calls_minute AS call
    WHERE call.minute >= toStartOfMinute({since:DateTime('UTC')}) AND call.minute < toStartOfMinute({until:DateTime('UTC')} + 59)
        AND NOT (call.minute >= toStartOfHour(toStartOfMinute({since:DateTime('UTC')}) + 3599) AND call.minute < toStartOfHour(toStartOfMinute({until:DateTime('UTC')} + 59)))
) AS call
GROUP BY status
ORDER BY calls DESC, status
