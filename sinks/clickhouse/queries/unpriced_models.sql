-- title: Unpriced calls by model
-- answers: Of which models calls have no cost, and how many; `tokentrail prices missing` says why.
-- reads: usage_day, calls_day
-- param since DateTime = 30d: from this day on
-- param until DateTime = now: up to the day of this moment
WITH unpriced AS
(
    SELECT
        call.provider AS provider,
        call.model AS model,
        sum(call.unpriced_calls) AS its_unpriced,
        sum(call.priced_calls) AS its_priced,
        sum(call.calls) AS its_calls,
        sum(call.input_tokens) AS its_input,
        sum(call.output_tokens) AS its_output
    FROM usage_day AS call
    WHERE ${within_days}
    GROUP BY provider, model
    HAVING its_unpriced > 0
)
SELECT
    unpriced.provider AS provider,
    unpriced.model AS model,
    unpriced.its_unpriced AS unpriced_calls,
    unpriced.its_calls AS calls,
    if(unpriced.its_priced = 0, unpriced.its_input, alike.its_input) AS input_tokens,
    if(unpriced.its_priced = 0, unpriced.its_output, alike.its_output) AS output_tokens
FROM unpriced
LEFT ANY JOIN
(
    -- Where some calls of a model have a price, those are told apart that are alike in all that a rollup keeps.
    SELECT provider, model, sum(group_input) AS its_input, sum(group_output) AS its_output
    FROM
    (
        SELECT
            call.provider AS provider,
            call.model AS model,
            sum(call.input_tokens) AS group_input,
            sum(call.output_tokens) AS group_output
        FROM calls_day AS call
        WHERE ${within_days}
            -- As a constant: without such a model, nothing is read.
            AND (SELECT count() FROM unpriced WHERE its_priced > 0) > 0
            AND call.model IN (SELECT model FROM unpriced WHERE its_priced > 0)
            AND (call.provider, call.model) IN (SELECT provider, model FROM unpriced WHERE its_priced > 0)
        GROUP BY
            call.day, call.kafka_partition, call.department, call.service, call.environment, call.provider,
            call.model, call.status, call.feature, call.team, call.user_id, call.api_key_id, call.request_source,
            call.appended_month
        HAVING sum(call.unpriced_calls) > 0
    )
    GROUP BY provider, model
) AS alike ON alike.provider = unpriced.provider AND alike.model = unpriced.model
ORDER BY unpriced_calls DESC, provider, model
