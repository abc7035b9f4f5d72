-- Rollups without persons, beside those with users and keys: by hour and by day, a fraction of their rows, so that what
-- is asked most reads few. They have the sketches of latency, and those with users and keys have none any more: nearly
-- every row of them is a single call's; ephemeral, the columns are still known to statements of 0010. All else is as
-- there.

CREATE TABLE IF NOT EXISTS ${database}.usage_hour ${on_cluster}
(
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)) COMMENT 'of calls.time, UTC',
    kafka_partition UInt32 CODEC(ZSTD(1)),
    department LowCardinality(String),
    service LowCardinality(String),
    environment LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    status LowCardinality(String),
    feature LowCardinality(String),
    team LowCardinality(String) COMMENT 'attributes.team',
    request_source LowCardinality(String),
    of_correction Bool COMMENT 'from cost_corrections; else from calls',
    appended_month Date CODEC(ZSTD(1)) COMMENT 'first day of the month of calls.appended_at',

    calls SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    corrections SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    input_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    output_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    cache_read_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    cache_write_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    reasoning_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    input_audio_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    output_audio_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    priced_calls SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'a correction may take one away',
    unpriced_calls SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'answered or metered, without a known price',
    input_cost SimpleAggregateFunction(sum, Decimal(38, 9)) CODEC(ZSTD(1)),
    output_cost SimpleAggregateFunction(sum, Decimal(38, 9)) CODEC(ZSTD(1)),
    cost_usd SimpleAggregateFunction(sum, Decimal(38, 9)) CODEC(ZSTD(1)),
    latency_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) CODEC(ZSTD(1)),
    latency_ms_sum SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    latency_count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    time_to_first_token_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) CODEC(ZSTD(1)),
    time_to_first_token_ms_sum SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    time_to_first_token_count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    first_time SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_time SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_offset SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    INDEX last_offset_range last_offset TYPE minmax GRANULARITY 1
)
ENGINE = ${aggregating_merge_tree}
PARTITION BY toYYYYMM(appended_month)
PRIMARY KEY (hour, kafka_partition, department)
ORDER BY (hour, kafka_partition, department, service, environment, provider, model, status, feature, team,
    request_source, of_correction);

CREATE TABLE IF NOT EXISTS ${database}.usage_day ${on_cluster}
(
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'of calls.time, UTC',
    kafka_partition UInt32 CODEC(ZSTD(1)),
    department LowCardinality(String),
    service LowCardinality(String),
    environment LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    status LowCardinality(String),
    feature LowCardinality(String),
    team LowCardinality(String) COMMENT 'attributes.team',
    request_source LowCardinality(String),
    of_correction Bool COMMENT 'from cost_corrections; else from calls',
    appended_month Date CODEC(ZSTD(1)) COMMENT 'first day of the month of calls.appended_at',

    calls SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    corrections SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    input_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    output_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    cache_read_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    cache_write_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    reasoning_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    input_audio_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    output_audio_tokens SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    priced_calls SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'a correction may take one away',
    unpriced_calls SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'answered or metered, without a known price',
    input_cost SimpleAggregateFunction(sum, Decimal(38, 9)) CODEC(ZSTD(1)),
    output_cost SimpleAggregateFunction(sum, Decimal(38, 9)) CODEC(ZSTD(1)),
    cost_usd SimpleAggregateFunction(sum, Decimal(38, 9)) CODEC(ZSTD(1)),
    latency_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) CODEC(ZSTD(1)),
    latency_ms_sum SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    latency_count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    time_to_first_token_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) CODEC(ZSTD(1)),
    time_to_first_token_ms_sum SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    time_to_first_token_count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    first_time SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_time SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_offset SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    INDEX last_offset_range last_offset TYPE minmax GRANULARITY 1
)
ENGINE = ${aggregating_merge_tree}
PARTITION BY toYYYYMM(appended_month)
PRIMARY KEY (day, kafka_partition, department)
ORDER BY (day, kafka_partition, department, service, environment, provider, model, status, feature, team,
    request_source, of_correction);

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.usage_hour_from_calls ${on_cluster}
TO ${database}.usage_hour AS
SELECT
    toStartOfHour(time) AS hour,
    kafka_partition,
    department,
    service,
    environment,
    provider,
    model,
    status,
    feature,
    attributes['team'] AS team,
    request_source,
    false AS of_correction,
    toStartOfMonth(toDate(appended_at)) AS appended_month,
    count() AS calls,
    sum(ifNull(call.input_tokens, 0)) AS input_tokens,
    sum(ifNull(call.output_tokens, 0)) AS output_tokens,
    sum(ifNull(call.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(cache_write_5m_tokens, 0) + ifNull(cache_write_1h_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(call.reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifNull(call.input_audio_tokens, 0)) AS input_audio_tokens,
    sum(ifNull(call.output_audio_tokens, 0)) AS output_audio_tokens,
    countIf(call.cost_usd IS NOT NULL) AS priced_calls,
    countIf(call.cost_usd IS NULL AND (
        status IN ('SUCCESS', 'ABORTED') OR call.input_tokens > 0 OR call.output_tokens > 0)) AS unpriced_calls,
    sum(ifNull(call.input_cost, 0)) AS input_cost,
    sum(ifNull(call.output_cost, 0)) AS output_cost,
    sum(ifNull(call.cost_usd, 0)) AS cost_usd,
    quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms) AS latency_quantiles,
    sum(ifNull(latency_ms, 0)) AS latency_ms_sum,
    count(latency_ms) AS latency_count,
    quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)(time_to_first_token_ms) AS time_to_first_token_quantiles,
    sum(ifNull(time_to_first_token_ms, 0)) AS time_to_first_token_ms_sum,
    count(time_to_first_token_ms) AS time_to_first_token_count,
    min(time) AS first_time,
    max(time) AS last_time,
    max(kafka_offset) AS last_offset
FROM ${database}.calls AS call
GROUP BY
    hour, kafka_partition, department, service, environment, provider, model, status, feature,
    team, request_source, appended_month;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.usage_hour_from_corrections ${on_cluster}
TO ${database}.usage_hour AS
SELECT
    toStartOfHour(time) AS hour,
    kafka_partition,
    department,
    service,
    environment,
    provider,
    model,
    status,
    feature,
    team,
    request_source,
    true AS of_correction,
    toStartOfMonth(toDate(appended_at)) AS appended_month,
    count() AS corrections,
    sum(toInt64(new_cost_usd IS NOT NULL) - toInt64(old_cost_usd IS NOT NULL)) AS priced_calls,
    sumIf(toInt64(new_cost_usd IS NULL) - toInt64(old_cost_usd IS NULL), wants_price) AS unpriced_calls,
    sum(toDecimal128(ifNull(new_input_cost, 0), 9) - toDecimal128(ifNull(old_input_cost, 0), 9)) AS input_cost,
    sum(toDecimal128(ifNull(new_output_cost, 0), 9) - toDecimal128(ifNull(old_output_cost, 0), 9)) AS output_cost,
    sum(toDecimal128(ifNull(new_cost_usd, 0), 9) - toDecimal128(ifNull(old_cost_usd, 0), 9)) AS cost_usd,
    min(time) AS first_time,
    max(time) AS last_time,
    max(kafka_offset) AS last_offset
FROM ${database}.cost_corrections
GROUP BY
    hour, kafka_partition, department, service, environment, provider, model, status, feature,
    team, request_source, appended_month;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.usage_day_from_calls ${on_cluster}
TO ${database}.usage_day AS
SELECT
    toDate(time) AS day,
    kafka_partition,
    department,
    service,
    environment,
    provider,
    model,
    status,
    feature,
    attributes['team'] AS team,
    request_source,
    false AS of_correction,
    toStartOfMonth(toDate(appended_at)) AS appended_month,
    count() AS calls,
    sum(ifNull(call.input_tokens, 0)) AS input_tokens,
    sum(ifNull(call.output_tokens, 0)) AS output_tokens,
    sum(ifNull(call.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(cache_write_5m_tokens, 0) + ifNull(cache_write_1h_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(call.reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifNull(call.input_audio_tokens, 0)) AS input_audio_tokens,
    sum(ifNull(call.output_audio_tokens, 0)) AS output_audio_tokens,
    countIf(call.cost_usd IS NOT NULL) AS priced_calls,
    countIf(call.cost_usd IS NULL AND (
        status IN ('SUCCESS', 'ABORTED') OR call.input_tokens > 0 OR call.output_tokens > 0)) AS unpriced_calls,
    sum(ifNull(call.input_cost, 0)) AS input_cost,
    sum(ifNull(call.output_cost, 0)) AS output_cost,
    sum(ifNull(call.cost_usd, 0)) AS cost_usd,
    quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms) AS latency_quantiles,
    sum(ifNull(latency_ms, 0)) AS latency_ms_sum,
    count(latency_ms) AS latency_count,
    quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)(time_to_first_token_ms) AS time_to_first_token_quantiles,
    sum(ifNull(time_to_first_token_ms, 0)) AS time_to_first_token_ms_sum,
    count(time_to_first_token_ms) AS time_to_first_token_count,
    min(time) AS first_time,
    max(time) AS last_time,
    max(kafka_offset) AS last_offset
FROM ${database}.calls AS call
GROUP BY
    day, kafka_partition, department, service, environment, provider, model, status, feature,
    team, request_source, appended_month;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.usage_day_from_corrections ${on_cluster}
TO ${database}.usage_day AS
SELECT
    toDate(time) AS day,
    kafka_partition,
    department,
    service,
    environment,
    provider,
    model,
    status,
    feature,
    team,
    request_source,
    true AS of_correction,
    toStartOfMonth(toDate(appended_at)) AS appended_month,
    count() AS corrections,
    sum(toInt64(new_cost_usd IS NOT NULL) - toInt64(old_cost_usd IS NOT NULL)) AS priced_calls,
    sumIf(toInt64(new_cost_usd IS NULL) - toInt64(old_cost_usd IS NULL), wants_price) AS unpriced_calls,
    sum(toDecimal128(ifNull(new_input_cost, 0), 9) - toDecimal128(ifNull(old_input_cost, 0), 9)) AS input_cost,
    sum(toDecimal128(ifNull(new_output_cost, 0), 9) - toDecimal128(ifNull(old_output_cost, 0), 9)) AS output_cost,
    sum(toDecimal128(ifNull(new_cost_usd, 0), 9) - toDecimal128(ifNull(old_cost_usd, 0), 9)) AS cost_usd,
    min(time) AS first_time,
    max(time) AS last_time,
    max(kafka_offset) AS last_offset
FROM ${database}.cost_corrections
GROUP BY
    day, kafka_partition, department, service, environment, provider, model, status, feature,
    team, request_source, appended_month;

-- Corrections that were made before; rows of calls come when a writer first has their Kafka partition.

INSERT INTO ${database}.usage_hour (
    hour, kafka_partition, department, service, environment, provider, model, status, feature, team, request_source,
    of_correction, appended_month, corrections, priced_calls, unpriced_calls, input_cost, output_cost, cost_usd,
    first_time, last_time, last_offset)
SELECT
    hour, kafka_partition, department, service, environment, provider, model, status, feature, team, request_source,
    of_correction, appended_month, corrections, priced_calls, unpriced_calls, input_cost, output_cost, cost_usd,
    first_time, last_time, last_offset
FROM ${database}.calls_hour
WHERE of_correction AND (SELECT count() FROM ${database}.usage_hour WHERE of_correction) = 0;

INSERT INTO ${database}.usage_day (
    day, kafka_partition, department, service, environment, provider, model, status, feature, team, request_source,
    of_correction, appended_month, corrections, priced_calls, unpriced_calls, input_cost, output_cost, cost_usd,
    first_time, last_time, last_offset)
SELECT
    day, kafka_partition, department, service, environment, provider, model, status, feature, team, request_source,
    of_correction, appended_month, corrections, priced_calls, unpriced_calls, input_cost, output_cost, cost_usd,
    first_time, last_time, last_offset
FROM ${database}.calls_day
WHERE of_correction AND (SELECT count() FROM ${database}.usage_day WHERE of_correction) = 0;

DROP VIEW IF EXISTS ${database}.calls_hour_from_calls ${on_cluster};

ALTER TABLE ${database}.calls_hour ${on_cluster}
    MODIFY COLUMN latency_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) EPHEMERAL,
    MODIFY COLUMN time_to_first_token_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) EPHEMERAL;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_hour_from_calls ${on_cluster}
TO ${database}.calls_hour AS
SELECT
    toStartOfHour(time) AS hour,
    kafka_partition,
    department,
    service,
    environment,
    provider,
    model,
    status,
    feature,
    attributes['team'] AS team,
    user_id,
    api_key_id,
    request_source,
    false AS of_correction,
    toStartOfMonth(toDate(appended_at)) AS appended_month,
    count() AS calls,
    sum(ifNull(call.input_tokens, 0)) AS input_tokens,
    sum(ifNull(call.output_tokens, 0)) AS output_tokens,
    sum(ifNull(call.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(cache_write_5m_tokens, 0) + ifNull(cache_write_1h_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(call.reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifNull(call.input_audio_tokens, 0)) AS input_audio_tokens,
    sum(ifNull(call.output_audio_tokens, 0)) AS output_audio_tokens,
    countIf(call.cost_usd IS NOT NULL) AS priced_calls,
    countIf(call.cost_usd IS NULL AND (
        status IN ('SUCCESS', 'ABORTED') OR call.input_tokens > 0 OR call.output_tokens > 0)) AS unpriced_calls,
    sum(ifNull(call.input_cost, 0)) AS input_cost,
    sum(ifNull(call.output_cost, 0)) AS output_cost,
    sum(ifNull(call.cost_usd, 0)) AS cost_usd,
    sum(ifNull(latency_ms, 0)) AS latency_ms_sum,
    count(latency_ms) AS latency_count,
    sum(ifNull(time_to_first_token_ms, 0)) AS time_to_first_token_ms_sum,
    count(time_to_first_token_ms) AS time_to_first_token_count,
    min(time) AS first_time,
    max(time) AS last_time,
    max(kafka_offset) AS last_offset
FROM ${database}.calls AS call
GROUP BY
    hour, kafka_partition, department, service, environment, provider, model, status, feature,
    team, user_id, api_key_id, request_source, appended_month;

DROP VIEW IF EXISTS ${database}.calls_day_from_calls ${on_cluster};

ALTER TABLE ${database}.calls_day ${on_cluster}
    MODIFY COLUMN latency_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) EPHEMERAL,
    MODIFY COLUMN time_to_first_token_quantiles
        AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Nullable(Float64)) EPHEMERAL;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_day_from_calls ${on_cluster}
TO ${database}.calls_day AS
SELECT
    toDate(time) AS day,
    kafka_partition,
    department,
    service,
    environment,
    provider,
    model,
    status,
    feature,
    attributes['team'] AS team,
    user_id,
    api_key_id,
    request_source,
    false AS of_correction,
    toStartOfMonth(toDate(appended_at)) AS appended_month,
    count() AS calls,
    sum(ifNull(call.input_tokens, 0)) AS input_tokens,
    sum(ifNull(call.output_tokens, 0)) AS output_tokens,
    sum(ifNull(call.cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(cache_write_5m_tokens, 0) + ifNull(cache_write_1h_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(call.reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifNull(call.input_audio_tokens, 0)) AS input_audio_tokens,
    sum(ifNull(call.output_audio_tokens, 0)) AS output_audio_tokens,
    countIf(call.cost_usd IS NOT NULL) AS priced_calls,
    countIf(call.cost_usd IS NULL AND (
        status IN ('SUCCESS', 'ABORTED') OR call.input_tokens > 0 OR call.output_tokens > 0)) AS unpriced_calls,
    sum(ifNull(call.input_cost, 0)) AS input_cost,
    sum(ifNull(call.output_cost, 0)) AS output_cost,
    sum(ifNull(call.cost_usd, 0)) AS cost_usd,
    sum(ifNull(latency_ms, 0)) AS latency_ms_sum,
    count(latency_ms) AS latency_count,
    sum(ifNull(time_to_first_token_ms, 0)) AS time_to_first_token_ms_sum,
    count(time_to_first_token_ms) AS time_to_first_token_count,
    min(time) AS first_time,
    max(time) AS last_time,
    max(kafka_offset) AS last_offset
FROM ${database}.calls AS call
GROUP BY
    day, kafka_partition, department, service, environment, provider, model, status, feature,
    team, user_id, api_key_id, request_source, appended_month;
