-- New costs of calls that were priced before; append-only. The newest revision of a call holds, the row in `calls` stays
-- as it was. The columns from `appended_at` to `wants_price` repeat the call, so that rollups need no join.
CREATE TABLE IF NOT EXISTS ${database}.cost_corrections ${on_cluster}
(
    kafka_partition UInt32 CODEC(ZSTD(1)),
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)),
    revision UInt32 COMMENT '1 for the first correction of a call',
    corrected_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    run_id LowCardinality(String) COMMENT 'the re-pricing that made it',
    reason LowCardinality(String),

    appended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    department LowCardinality(String),
    service LowCardinality(String),
    environment LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    status LowCardinality(String),
    feature LowCardinality(String),
    team LowCardinality(String),
    user_id String CODEC(ZSTD(1)),
    api_key_id String CODEC(ZSTD(1)),
    request_source LowCardinality(String),
    wants_price Bool COMMENT 'answered or metered: counts among the unpriced while it has no cost',

    old_input_cost Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    old_output_cost Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    old_cost_usd Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    old_rate_id UInt64 CODEC(ZSTD(1)),
    new_input_cost Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    new_output_cost Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    new_cost_usd Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    new_currency LowCardinality(String),
    new_price_source LowCardinality(String),
    new_price_version LowCardinality(String),
    new_rate_id UInt64 CODEC(ZSTD(1))
)
ENGINE = ${merge_tree}
PARTITION BY toYYYYMM(appended_at)
ORDER BY (kafka_partition, kafka_offset, revision);

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_minute_from_corrections ${on_cluster}
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
GROUP BY minute, kafka_partition, department, service, environment, provider, model, status, appended_month;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_hour_from_corrections ${on_cluster}
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
    team,
    user_id,
    api_key_id,
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
GROUP BY hour, kafka_partition, department, service, environment, provider, model, status, feature, team, user_id, api_key_id, request_source, appended_month;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_day_from_corrections ${on_cluster}
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
    team,
    user_id,
    api_key_id,
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
GROUP BY day, kafka_partition, department, service, environment, provider, model, status, feature, team, user_id, api_key_id, request_source, appended_month;

-- calls as they are priced now.
CREATE VIEW IF NOT EXISTS ${database}.calls_corrected ${on_cluster} AS
SELECT
    call.* EXCEPT (input_cost, output_cost, cost_usd, currency, price_source, price_version, rate_id),
    if(newest.revision = 0, call.input_cost, newest.new_input_cost) AS input_cost,
    if(newest.revision = 0, call.output_cost, newest.new_output_cost) AS output_cost,
    if(newest.revision = 0, call.cost_usd, newest.new_cost_usd) AS cost_usd,
    if(newest.revision = 0, call.currency, newest.new_currency) AS currency,
    if(newest.revision = 0, call.price_source, newest.new_price_source) AS price_source,
    if(newest.revision = 0, call.price_version, newest.new_price_version) AS price_version,
    if(newest.revision = 0, call.rate_id, newest.new_rate_id) AS rate_id,
    newest.revision AS correction
FROM ${database}.calls AS call
LEFT ANY JOIN
(
    SELECT
        kafka_partition, kafka_offset, revision, new_input_cost, new_output_cost, new_cost_usd, new_currency,
        new_price_source, new_price_version, new_rate_id
    FROM ${database}.cost_corrections
    ORDER BY kafka_partition, kafka_offset, revision DESC
    LIMIT 1 BY kafka_partition, kafka_offset
) AS newest ON newest.kafka_partition = call.kafka_partition AND newest.kafka_offset = call.kafka_offset;
