SELECT
    repeated.service AS service,
    repeated.model AS model,
    repeated.ids + every.calls - repeated.calls AS logical_calls,
    every.calls AS attempts,
    repeated.retries AS retries,
    repeated.most_attempts AS most_attempts,
    repeated.retries_usd AS retries_usd
FROM
(
    SELECT
        attempt.service AS service,
        attempt.model AS model,
        uniqExact(attempt.logical_call_id) AS ids,
        count() AS calls,
        countIf(attempt.number > 1) AS retries,
        max(attempt.number) AS most_attempts,
        sumIf(attempt.cost_usd, attempt.number > 1) AS retries_usd
    FROM
    (
        SELECT
            call.service AS service,
            call.model AS model,
            call.logical_call_id AS logical_call_id,
            call.cost_usd AS cost_usd,
            row_number() OVER (PARTITION BY call.logical_call_id ORDER BY call.time, call.call_id) AS number
        FROM calls_corrected AS call
        WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.logical_call_id != ''
            AND cityHash64(call.logical_call_id) IN
            (
                SELECT cityHash64(call.logical_call_id) AS its_hash
                FROM calls AS call
                WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.logical_call_id != ''
                GROUP BY its_hash
                HAVING count() > 1
            )
    ) AS attempt
    GROUP BY service, model
    HAVING retries > 0
) AS repeated
LEFT ANY JOIN
(
    SELECT call.service AS service, call.model AS model, count() AS calls
    FROM calls AS call
    WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.logical_call_id != ''
    GROUP BY service, model
) AS every ON every.service = repeated.service AND every.model = repeated.model
ORDER BY retries DESC, service, model
