-- Prices as they were applied: USD per million tokens. A row is named by its content and never changes, so that
-- writing it twice is harmless. A null part (cache read, audio, ...) is not priced apart: it costs what its total costs.
CREATE TABLE IF NOT EXISTS ${database}.model_rates ${on_cluster}
(
    rate_id UInt64,
    price_source LowCardinality(String),
    price_version LowCardinality(String),
    currency LowCardinality(String),
    provider String COMMENT 'as the price source names it',
    model String COMMENT 'as the price source names it',
    service_tier String,
    input Nullable(Decimal(18, 9)),
    cache_read Nullable(Decimal(18, 9)),
    cache_write_5m Nullable(Decimal(18, 9)),
    cache_write_1h Nullable(Decimal(18, 9)),
    input_audio Nullable(Decimal(18, 9)),
    output Nullable(Decimal(18, 9)),
    output_audio Nullable(Decimal(18, 9)),
    reasoning Nullable(Decimal(18, 9)),
    request Decimal(18, 9) COMMENT 'USD per million requests',
    cached_audio_apart Bool COMMENT 'cached audio has a price of its own, which our usage cannot tell'
)
ENGINE = ${replacing_merge_tree}
ORDER BY rate_id;
