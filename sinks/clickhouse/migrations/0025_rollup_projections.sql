-- What is asked of users, keys and mappings, and of latency by model, from a fraction of the rows: each part of a rollup
-- has these sums of its own, merged and rebuilt with it, so that they cannot differ from it. The engine takes them where
-- a statement asks for no more.

ALTER TABLE ${database}.calls_hour ${on_cluster}
    MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE ${database}.calls_hour ${on_cluster} ADD PROJECTION IF NOT EXISTS of_persons
(
    SELECT
        hour, user_id, api_key_id, department,
        sum(calls), sumIf(calls, status != 'SUCCESS'), sum(input_tokens), sum(output_tokens), sum(priced_calls),
        sum(cost_usd), sum(unpriced_calls)
    GROUP BY hour, user_id, api_key_id, department
);

ALTER TABLE ${database}.calls_hour ${on_cluster} MATERIALIZE PROJECTION of_persons;

ALTER TABLE ${database}.calls_day ${on_cluster}
    MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE ${database}.calls_day ${on_cluster} ADD PROJECTION IF NOT EXISTS of_owners
(
    SELECT
        day, api_key_id, user_id, feature, team, service, department,
        sum(calls), sumIf(calls, status != 'SUCCESS'), sum(input_tokens), sum(output_tokens), sum(priced_calls),
        sum(cost_usd), sum(unpriced_calls)
    GROUP BY day, api_key_id, user_id, feature, team, service, department
);

ALTER TABLE ${database}.calls_day ${on_cluster} MATERIALIZE PROJECTION of_owners;

ALTER TABLE ${database}.usage_hour ${on_cluster}
    MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE ${database}.usage_hour ${on_cluster} ADD PROJECTION IF NOT EXISTS of_models
(
    SELECT
        hour, provider, model,
        sum(calls), sumIf(calls, status != 'SUCCESS'), sum(input_tokens), sum(output_tokens), sum(priced_calls),
        sum(cost_usd), sum(unpriced_calls),
        sumIf(calls, status = 'AUTH_FAILED'), sum(cache_read_tokens), sum(cache_write_tokens),
        sum(latency_count), sum(latency_ms_sum),
        quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_quantiles), sum(time_to_first_token_count),
        quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(time_to_first_token_quantiles)
    GROUP BY hour, provider, model
);

ALTER TABLE ${database}.usage_hour ${on_cluster} MATERIALIZE PROJECTION of_models;
