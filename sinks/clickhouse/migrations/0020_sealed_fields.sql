-- Personal fields of events, sealed under a key for each subject; and tables that give rows up within a minute.
-- Block numbers: an UPDATE of few rows is then a small part of its own, and nothing of the old values is read any more.
ALTER TABLE ${database}.event_log ${on_cluster}
    ADD COLUMN IF NOT EXISTS seal LowCardinality(String) DEFAULT ''
        COMMENT 'empty: payload is as it came; sealed: personal values are in sealed; erased: they are gone',
    ADD COLUMN IF NOT EXISTS subject_key_id FixedString(16) CODEC(ZSTD(1))
        COMMENT 'the key of the sealed part, at random; zeros without one',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'nonce and AES-256-GCM; empty without one',
    ADD INDEX IF NOT EXISTS subject_key_id_known subject_key_id TYPE bloom_filter(0.001) GRANULARITY 1;

ALTER TABLE ${database}.event_log ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1, old_parts_lifetime = 60;

ALTER TABLE ${database}.calls ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1, old_parts_lifetime = 60;

ALTER TABLE ${database}.cost_corrections ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1, old_parts_lifetime = 60;

ALTER TABLE ${database}.alerts ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1, old_parts_lifetime = 60;

ALTER TABLE ${database}.alert_controls ${on_cluster}
    MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1, old_parts_lifetime = 60;

ALTER TABLE ${database}.calls_hour ${on_cluster} MODIFY SETTING old_parts_lifetime = 60;

ALTER TABLE ${database}.calls_day ${on_cluster} MODIFY SETTING old_parts_lifetime = 60;
