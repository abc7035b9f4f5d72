-- What was erased, and the receipts. Rows are named by their place in their topic; nobody is named.
CREATE TABLE IF NOT EXISTS ${database}.erased_rows ${on_cluster}
(
    erasure_id String,
    topic LowCardinality(String) COMMENT 'llm.calls, llm.alerts or llm.alert-controls',
    kafka_partition UInt32,
    kafka_offset UInt64,
    stored_sha256 FixedString(32) COMMENT 'of event_log.payload as it stands since; zeros in other tables'
)
ENGINE = ${merge_tree}
ORDER BY (topic, kafka_partition, kafka_offset);

CREATE TABLE IF NOT EXISTS ${database}.erasures ${on_cluster}
(
    erasure_id String,
    subject_hmac FixedString(32) COMMENT 'as the store of subject keys names the subject',
    recorded_at DateTime64(3, 'UTC') DEFAULT now64(3),
    receipt String COMMENT 'signed; empty while the erasure goes on'
)
ENGINE = ${merge_tree}
ORDER BY (erasure_id, recorded_at);

-- Public parts of records that were archived before anything was sealed, on their way into event_log.
CREATE TABLE IF NOT EXISTS ${database}.erased_payloads ${on_cluster}
(
    kafka_partition UInt32,
    kafka_offset UInt64,
    payload String
)
ENGINE = Join(ANY, LEFT, kafka_partition, kafka_offset);
