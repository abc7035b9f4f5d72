-- Who priced calls again, and signs of life while it went on: one at a time, so that no call is corrected twice at once.
CREATE TABLE IF NOT EXISTS ${database}.repricing_runs ${on_cluster}
(
    run_id String,
    state LowCardinality(String) COMMENT 'begun, alive, ended or withdrawn',
    at DateTime64(3, 'UTC') DEFAULT now64(3),
    reason String
)
ENGINE = ${merge_tree}
ORDER BY (run_id, at);
