-- One row per llm.call.completed, typed and priced; filled from event_log alone. Absent text is '', absent numbers null.
-- Every row has: appended_at - 7 days <= time <= appended_at + 5 minutes; queries by time use it to prune partitions.
CREATE TABLE IF NOT EXISTS ${database}.calls ${on_cluster}
(
    kafka_partition UInt32 CODEC(ZSTD(1)),
    kafka_offset UInt64 CODEC(ZSTD(1)),
    appended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'when the call ended, by the producer''s clock',
    clock_suspect Bool COMMENT 'occurred_at is > 5 minutes ahead of or > 7 days behind appended_at',
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'occurred_at, or appended_at where the clock is suspect',

    event_id String CODEC(ZSTD(1)),
    producer_id LowCardinality(String),
    producer_seq UInt64 CODEC(ZSTD(1)),
    call_id String CODEC(ZSTD(1)),
    logical_call_id String CODEC(ZSTD(1)),
    provider_request_id String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),

    service LowCardinality(String),
    environment LowCardinality(String),
    department LowCardinality(String),
    feature LowCardinality(String),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    request_source LowCardinality(String),
    ip_address String CODEC(ZSTD(1)),
    user_agent String CODEC(ZSTD(1)),
    api_key_id String CODEC(ZSTD(1)),
    api_key_hint LowCardinality(String),
    auth_method LowCardinality(String),
    auth_result LowCardinality(String),

    provider LowCardinality(String),
    server_address LowCardinality(String),
    endpoint LowCardinality(String),
    http_method LowCardinality(String),
    operation LowCardinality(String),
    model LowCardinality(String) COMMENT 'response_model, or request_model where the provider does not say',
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    service_tier LowCardinality(String),
    stream Nullable(Bool),
    temperature Nullable(Float64) CODEC(ZSTD(1)),
    max_tokens Nullable(UInt32) CODEC(ZSTD(1)),

    status LowCardinality(String),
    http_status_code Nullable(UInt16) CODEC(ZSTD(1)),
    error_type LowCardinality(String),
    error_code LowCardinality(String),
    error_message String CODEC(ZSTD(1)),
    retry_count Nullable(UInt32) CODEC(ZSTD(1)),
    finish_reasons Array(LowCardinality(String)),
    latency_ms Nullable(Float64) CODEC(ZSTD(1)),
    time_to_first_token_ms Nullable(Float64) CODEC(ZSTD(1)),
    queue_time_ms Nullable(Float64) CODEC(ZSTD(1)),

    input_tokens Nullable(UInt32) CODEC(ZSTD(1)) COMMENT 'a total; cache reads, cache writes and audio are inside',
    output_tokens Nullable(UInt32) CODEC(ZSTD(1)) COMMENT 'a total; reasoning and audio are inside',
    cache_read_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    cache_write_5m_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    cache_write_1h_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    reasoning_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    input_audio_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    output_audio_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    usage_source LowCardinality(String),

    request_hash String CODEC(ZSTD(1)),
    response_hash String CODEC(ZSTD(1)),
    redactions Map(LowCardinality(String), UInt32),
    attributes Map(LowCardinality(String), String),

    input_cost Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    output_cost Nullable(Decimal(18, 9)) CODEC(ZSTD(1)),
    cost_usd Nullable(Decimal(18, 9)) CODEC(ZSTD(1)) COMMENT 'null: not known, which is not 0',
    currency LowCardinality(String),
    price_source LowCardinality(String) COMMENT 'empty where no price is known',
    price_version LowCardinality(String),
    rate_id UInt64 CODEC(ZSTD(1)),

    INDEX kafka_offset_range kafka_offset TYPE minmax GRANULARITY 1,
    INDEX time_range time TYPE minmax GRANULARITY 1
)
ENGINE = ${merge_tree}
PARTITION BY toYYYYMM(appended_at)
ORDER BY (department, model, toStartOfHour(time), time);
