-- Signed checkpoints, as they were signed. A copy of the checkpoint file; docs/verify.md has the form of a body.
CREATE TABLE IF NOT EXISTS ${database}.checkpoints ${on_cluster}
(
    number UInt64,
    made_at DateTime64(6, 'UTC'),
    key_id LowCardinality(String),
    records UInt64 COMMENT 'signed by this one',
    body String CODEC(ZSTD(1)) COMMENT 'JSON; the signature is of these bytes',
    signature FixedString(64) CODEC(NONE) COMMENT 'Ed25519'
)
ENGINE = ${merge_tree}
ORDER BY number;
