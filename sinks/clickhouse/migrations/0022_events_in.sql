-- What the writer writes: rows of event_log, and beside a payload whose personal values are sealed the one as it came,
-- which is not stored. From here event_log is filled, and calls.
CREATE TABLE IF NOT EXISTS ${database}.events_in ${on_cluster}
(
    kafka_partition UInt32,
    kafka_offset UInt64,
    appended_at DateTime64(3, 'UTC'),
    occurred_at DateTime64(6, 'UTC'),
    event_type LowCardinality(String),
    rejection LowCardinality(String),
    rate_id UInt64,
    payload String,
    payload_sha256 FixedString(32),
    seal LowCardinality(String),
    subject_key_id FixedString(16),
    sealed String,
    plain String COMMENT 'the payload as it came, where seal says sealed',
    archived Bool COMMENT 'true where event_log holds the row already, and calls alone misses it'
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.event_log_from_events_in ${on_cluster}
TO ${database}.event_log AS
SELECT
    kafka_partition, kafka_offset, appended_at, occurred_at, event_type, rejection, rate_id, payload, payload_sha256,
    seal, subject_key_id, sealed
FROM ${database}.events_in
WHERE NOT archived;

DROP VIEW IF EXISTS ${database}.calls_from_event_log ${on_cluster};

-- As in 0004, from events_in.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_from_events_in ${on_cluster}
TO ${database}.calls AS
WITH
    ifNull(usage.input_tokens, 0) AS input_total,
    ifNull(usage.output_tokens, 0) AS output_total,
    if(rates.cache_read IS NULL, 0, ifNull(usage.cache_read_tokens, 0)) AS cache_read_part,
    if(rates.cache_write_5m IS NULL, 0, ifNull(usage.cache_write_5m_tokens, 0)) AS cache_write_5m_part,
    if(rates.cache_write_1h IS NULL, 0, ifNull(usage.cache_write_1h_tokens, 0)) AS cache_write_1h_part,
    if(rates.input_audio IS NULL, 0, ifNull(usage.input_audio_tokens, 0)) AS input_audio_part,
    if(rates.output_audio IS NULL, 0, ifNull(usage.output_audio_tokens, 0)) AS output_audio_part,
    if(rates.reasoning IS NULL, 0, ifNull(usage.reasoning_tokens, 0)) AS reasoning_part,
    toInt64(input_total) - cache_read_part - cache_write_5m_part - cache_write_1h_part - input_audio_part AS input_rest,
    toInt64(output_total) - output_audio_part - reasoning_part AS output_rest,
    rates.cached_audio_apart AND usage.cache_read_tokens > 0 AND usage.input_audio_tokens > 0 AS ambiguous,
    multiIf(
        rates.rate_id = 0 OR usage.input_tokens IS NULL, NULL,
        input_total = 0, toDecimal128(0, 9),
        rates.input IS NULL OR input_rest < 0 OR ambiguous, NULL,
        round(
            toDecimal128(input_rest, 0) * assumeNotNull(rates.input)
            + toDecimal128(cache_read_part, 0) * ifNull(rates.cache_read, 0)
            + toDecimal128(cache_write_5m_part, 0) * ifNull(rates.cache_write_5m, 0)
            + toDecimal128(cache_write_1h_part, 0) * ifNull(rates.cache_write_1h, 0)
            + toDecimal128(input_audio_part, 0) * ifNull(rates.input_audio, 0),
            3
        ) / 1000000
    ) AS input_side,
    multiIf(
        rates.rate_id = 0 OR usage.output_tokens IS NULL, NULL,
        output_total = 0, toDecimal128(0, 9),
        rates.output IS NULL OR output_rest < 0, NULL,
        round(
            toDecimal128(output_rest, 0) * assumeNotNull(rates.output)
            + toDecimal128(output_audio_part, 0) * ifNull(rates.output_audio, 0)
            + toDecimal128(reasoning_part, 0) * ifNull(rates.reasoning, 0),
            3
        ) / 1000000
    ) AS output_side,
    (input_side IS NULL AND usage.input_tokens IS NOT NULL)
        OR (output_side IS NULL AND usage.output_tokens IS NOT NULL)
        OR (input_side IS NULL AND output_side IS NULL) AS unpriced
SELECT
    event.kafka_partition AS kafka_partition,
    event.kafka_offset AS kafka_offset,
    event.appended_at AS appended_at,
    event.occurred_at AS occurred_at,
    event.clock_suspect AS clock_suspect,
    if(event.clock_suspect, toDateTime64(event.appended_at, 6, 'UTC'), event.occurred_at) AS time,
    call.event_id AS event_id,
    call.producer_id AS producer_id,
    call.producer_seq AS producer_seq,
    call.call_id AS call_id,
    call.logical_call_id AS logical_call_id,
    call.provider_request_id AS provider_request_id,
    call.trace_id AS trace_id,
    call.span_id AS span_id,
    call.service AS service,
    call.environment AS environment,
    call.department AS department,
    call.feature AS feature,
    call.session_id AS session_id,
    call.user_id AS user_id,
    call.request_source AS request_source,
    call.ip_address AS ip_address,
    call.user_agent AS user_agent,
    call.api_key_id AS api_key_id,
    call.api_key_hint AS api_key_hint,
    call.auth_method AS auth_method,
    call.auth_result AS auth_result,
    call.provider AS provider,
    call.server_address AS server_address,
    call.endpoint AS endpoint,
    call.http_method AS http_method,
    call.operation AS operation,
    if(call.response_model = '', call.request_model, call.response_model) AS model,
    call.request_model AS request_model,
    call.response_model AS response_model,
    call.service_tier AS service_tier,
    call.stream AS stream,
    call.temperature AS temperature,
    call.max_tokens AS max_tokens,
    call.status AS status,
    call.http_status_code AS http_status_code,
    call.error_type AS error_type,
    call.error_code AS error_code,
    call.error_message AS error_message,
    call.retry_count AS retry_count,
    call.finish_reasons AS finish_reasons,
    call.latency_ms AS latency_ms,
    call.time_to_first_token_ms AS time_to_first_token_ms,
    call.queue_time_ms AS queue_time_ms,
    usage.input_tokens AS input_tokens,
    usage.output_tokens AS output_tokens,
    usage.cache_read_tokens AS cache_read_tokens,
    usage.cache_write_5m_tokens AS cache_write_5m_tokens,
    usage.cache_write_1h_tokens AS cache_write_1h_tokens,
    usage.reasoning_tokens AS reasoning_tokens,
    usage.input_audio_tokens AS input_audio_tokens,
    usage.output_audio_tokens AS output_audio_tokens,
    if(call.usage_source = '', 'missing', call.usage_source) AS usage_source,
    call.request_hash AS request_hash,
    call.response_hash AS response_hash,
    call.redactions AS redactions,
    call.attributes AS attributes,
    if(unpriced, NULL, input_side) AS input_cost,
    if(unpriced, NULL, output_side) AS output_cost,
    if(unpriced, NULL, ifNull(input_side, 0) + ifNull(output_side, 0) + rates.request / 1000000) AS cost_usd,
    rates.currency AS currency,
    if(throwIf(event.rate_id != 0 AND rates.rate_id = 0, 'model_rates lacks the rates of this call') = 0,
       rates.price_source, '') AS price_source,
    rates.price_version AS price_version,
    event.rate_id AS rate_id
FROM
(
    SELECT
        kafka_partition,
        kafka_offset,
        appended_at,
        occurred_at,
        rate_id,
        occurred_at > appended_at + INTERVAL 5 MINUTE OR occurred_at < appended_at - INTERVAL 7 DAY AS clock_suspect,
        JSONExtract(if(plain = '', payload, plain), 'Tuple(
            event_id String, producer_id String, producer_seq UInt64, call_id String, logical_call_id String,
            provider_request_id String, trace_id String, span_id String, service String, environment String,
            department String, feature String, session_id String, user_id String, request_source String,
            ip_address String, user_agent String, api_key_id String, api_key_hint String, auth_method String,
            auth_result String, provider String, server_address String, endpoint String, http_method String,
            operation String, request_model String, response_model String, service_tier String, stream Nullable(Bool),
            temperature Nullable(Float64), max_tokens Nullable(UInt32), status String,
            http_status_code Nullable(UInt16), error_type String, error_code String, error_message String,
            retry_count Nullable(UInt32), finish_reasons Array(String), latency_ms Nullable(Float64),
            time_to_first_token_ms Nullable(Float64), queue_time_ms Nullable(Float64),
            usage Tuple(
                input_tokens Nullable(UInt32), output_tokens Nullable(UInt32), cache_read_tokens Nullable(UInt32),
                cache_write_5m_tokens Nullable(UInt32), cache_write_1h_tokens Nullable(UInt32),
                reasoning_tokens Nullable(UInt32), input_audio_tokens Nullable(UInt32),
                output_audio_tokens Nullable(UInt32)),
            usage_source String, request_hash String, response_hash String, redactions Map(String, UInt32),
            attributes Map(String, String))') AS call,
        call.usage AS usage
    FROM ${database}.events_in
    WHERE event_type = 'llm.call.completed'
) AS event
LEFT ANY JOIN ${database}.model_rates AS rates ON rates.rate_id = event.rate_id;
