-- title: Unpriced calls by model
-- answers: Of which models calls have no cost, and how many; `tokentrail prices missing` says why.
-- reads: usage_day, calls_day
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
SELECT
    alike.provider AS provider,
    alike.model AS model,
    sum(alike.its_unpriced) AS unpriced_calls,
    sum(alike.its_calls) AS calls,
    sumIf(alike.its_input, alike.its_unpriced > 0) AS input_tokens,
    sumIf(alike.its_output, alike.its_unpriced > 0) AS output_tokens
FROM
(
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.unpriced_calls) AS its_unpriced,
        sum(call.calls) AS its_calls,
        sum(call.input_tokens) AS its_input,
        sum(call.output_tokens) AS its_output
    FROM calls_day AS call
    WHERE ${within_days}
        AND call.model IN (SELECT call.model FROM usage_day AS call WHERE ${within_days} AND call.unpriced_calls > 0)
        AND (call.provider, call.model) IN
        (
            SELECT call.provider, call.model
            FROM usage_day AS call
            WHERE ${within_days}
            GROUP BY call.provider, call.model
            HAVING sum(call.unpriced_calls) > 0
        )
    GROUP BY
        call.day, call.kafka_partition, call.department, call.service, call.environment, call.provider, call.model,
        call.status, call.feature, call.team, call.user_id, call.api_key_id, call.request_source, call.appended_month
) AS alike
GROUP BY provider, model
ORDER BY unpriced_calls DESC, provider, model
