-- The archive: every record of llm.calls as it came, once. The only table that is written to.
-- Partitioned by the broker's clock, which runs forward within a Kafka partition, so that a block is one part.
CREATE TABLE IF NOT EXISTS ${database}.event_log ${on_cluster}
(
    kafka_partition UInt32 CODEC(Delta, ZSTD(1)),
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'the broker''s clock',
    occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'the producer''s clock, or a watermark; 1970 where rejected',
    event_type LowCardinality(String) COMMENT 'empty where rejected',
    rejection LowCardinality(String) COMMENT 'why the record could not be read; empty where it could',
    rate_id UInt64 CODEC(ZSTD(1)) COMMENT 'the rates in force for this call, model_rates.rate_id; 0 without',
    payload String CODEC(ZSTD(1)),
    payload_sha256 FixedString(32) CODEC(NONE) COMMENT 'taken by the writer, from the bytes that Kafka gave',
    INDEX appended_at_range appended_at TYPE minmax GRANULARITY 1,
    INDEX occurred_at_range occurred_at TYPE minmax GRANULARITY 1
)
ENGINE = ${merge_tree}
PARTITION BY toYYYYMM(appended_at)
ORDER BY (kafka_partition, kafka_offset);
