-- What the ledger's writer noticed in the chains of producers, once each: the id is made of what was found, so that a
-- finding that is written again is the same row. `kafka_offset` is the record at which it shows, `known_at_offset` the
-- one that made it certain.
CREATE TABLE IF NOT EXISTS ${database}.ledger_findings ${on_cluster}
(
    finding_id String,
    kind LowCardinality(String) COMMENT 'gap, chain_break, duplicate_event, duplicate_number or lost_call',
    kafka_partition UInt32,
    kafka_offset UInt64,
    known_at_offset UInt64,
    known_at DateTime64(3, 'UTC') COMMENT 'the broker''s clock at known_at_offset',
    producer_id String,
    first_seq UInt64 COMMENT 'of a gap the first number missing; else the event''s own',
    last_seq UInt64 COMMENT 'of a gap the last number missing; else the event''s own',
    event_id String COMMENT 'empty for a gap',
    call_id String COMMENT 'of a lost call',
    detail String
)
ENGINE = ${replacing_merge_tree}
ORDER BY (kafka_partition, kafka_offset, finding_id);

-- How far the chains were followed, and what must be remembered to go on from there. It may be lost: the archive is then
-- read again from its beginning.
CREATE TABLE IF NOT EXISTS ${database}.ledger_follower ${on_cluster}
(
    kafka_partition UInt32,
    next_offset UInt64,
    state String
)
ENGINE = ${replacing_merge_tree}
ORDER BY kafka_partition;
