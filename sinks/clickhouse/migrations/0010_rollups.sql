-- Rollups of calls: by minute, by hour, by day; sums, and sketches that merge (DDSketch, within 1%, whatever the order).
-- Rows of one key are added up when they are read: sum(calls), quantilesDDMerge(0.01, 0.5, ...)(latency_quantiles).
-- `kafka_partition` is in the key because the writer that owns a Kafka partition rebuilds its buckets after a crash; rows
-- of corrections are kept apart from it, in the same table. A block of calls has one month of appending, so that it is
-- one part here too; and the rows of a month go when the month's calls would.
CREATE TABLE IF NOT EXISTS ${database}.calls_minute ${on_cluster}
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)) COMMENT 'of calls.time, UTC',
    kafka_partition UInt32 CODEC(ZSTD(1)),
    department LowCardinality(String),
    service LowCardinality(String),
    environment LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    status LowCardinality(String),
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
PRIMARY KEY (minute, kafka_partition, department)
ORDER BY (minute, kafka_partition, department, service, environment, provider, model, status, of_correction);

CREATE TABLE IF NOT EXISTS ${database}.calls_hour ${on_cluster}
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
    user_id String CODEC(ZSTD(1)),
    api_key_id String CODEC(ZSTD(1)),
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
ORDER BY (hour, kafka_partition, department, service, environment, provider, model, status, feature, team, user_id, api_key_id, request_source, of_correction);

CREATE TABLE IF NOT EXISTS ${database}.calls_day ${on_cluster}
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
    user_id String CODEC(ZSTD(1)),
    api_key_id String CODEC(ZSTD(1)),
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
ORDER BY (day, kafka_partition, department, service, environment, provider, model, status, feature, team, user_id, api_key_id, request_source, of_correction);

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_minute_from_calls ${on_cluster}
TO ${database}.calls_minute AS
SELECT
    toStartOfMinute(time) AS minute,
    kafka_partition,
    department,
    service,
    environment,
    provider,
    model,
    status,
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
GROUP BY minute, kafka_partition, department, service, environment, provider, model, status, appended_month;

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
GROUP BY hour, kafka_partition, department, service, environment, provider, model, status, feature, team, user_id, api_key_id, request_source, appended_month;

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
GROUP BY day, kafka_partition, department, service, environment, provider, model, status, feature, team, user_id, api_key_id, request_source, appended_month;

-- What the writer rebuilt in a rollup: a line before it deletes, and a line when the rows are there again. A rebuild that
-- was begun and not finished is repeated by the next owner of the Kafka partition. No buckets: all of them.
CREATE TABLE IF NOT EXISTS ${database}.rollup_rebuilds ${on_cluster}
(
    kafka_partition UInt32,
    rollup LowCardinality(String) COMMENT 'calls_minute, calls_hour or calls_day',
    rebuild_id String,
    state LowCardinality(String) COMMENT 'begun or done',
    at DateTime64(3, 'UTC') DEFAULT now64(3),
    buckets Array(DateTime('UTC')) COMMENT 'hours; days of calls_day',
    reason String
)
ENGINE = ${merge_tree}
ORDER BY (kafka_partition, rollup, at);
