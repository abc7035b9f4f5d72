-- Periods are read from days, and from hours and minutes at their two ends. What is asked of models has its sums and
-- sketches ready by day as well as by hour, and as states, so that days and hours can be merged; what each minute had is
-- ready without dimensions.

ALTER TABLE ${database}.usage_hour ${on_cluster} DROP PROJECTION IF EXISTS of_models;

ALTER TABLE ${database}.usage_hour ${on_cluster} ADD PROJECTION IF NOT EXISTS by_model
(
    SELECT
        hour, provider, model,
        sum(calls), sumIf(calls, status != 'SUCCESS'), sum(input_tokens), sum(output_tokens), sum(priced_calls),
        sum(cost_usd), sum(unpriced_calls),
        sumIf(calls, status = 'AUTH_FAILED'), sum(cache_read_tokens), sum(cache_write_tokens),
        sum(latency_count), sum(latency_ms_sum),
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(latency_quantiles), sum(time_to_first_token_count),
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(time_to_first_token_quantiles)
    GROUP BY hour, provider, model
);

ALTER TABLE ${database}.usage_hour ${on_cluster} MATERIALIZE PROJECTION by_model;

ALTER TABLE ${database}.usage_day ${on_cluster}
    MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE ${database}.usage_day ${on_cluster} ADD PROJECTION IF NOT EXISTS by_model
(
    SELECT
        day, provider, model,
        sum(calls), sumIf(calls, status != 'SUCCESS'), sum(input_tokens), sum(output_tokens), sum(priced_calls),
        sum(cost_usd), sum(unpriced_calls),
        sumIf(calls, status = 'AUTH_FAILED'), sum(cache_read_tokens), sum(cache_write_tokens),
        sum(latency_count), sum(latency_ms_sum),
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(latency_quantiles), sum(time_to_first_token_count),
        quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(time_to_first_token_quantiles)
    GROUP BY day, provider, model
);

ALTER TABLE ${database}.usage_day ${on_cluster} MATERIALIZE PROJECTION by_model;

-- By far the largest: where a repair deletes from a part, that goes without its projection until it is merged.
ALTER TABLE ${database}.calls_minute ${on_cluster}
    MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'drop';

ALTER TABLE ${database}.calls_minute ${on_cluster} ADD PROJECTION IF NOT EXISTS by_minute
(
    SELECT
        minute,
        sum(calls), sumIf(calls, status != 'SUCCESS'), sum(input_tokens), sum(output_tokens), sum(priced_calls),
        sum(cost_usd), sum(unpriced_calls)
    GROUP BY minute
);

ALTER TABLE ${database}.calls_minute ${on_cluster} MATERIALIZE PROJECTION by_minute;
