-- One row per state change of an alert, as llm.alerts tells it; a record that comes again has no second row.
-- Replacing: what two writers at once may write twice is the same row. Absent text is ''.
CREATE TABLE IF NOT EXISTS ${database}.alerts ${on_cluster}
(
    kafka_partition UInt32,
    kafka_offset UInt64,
    detected_at DateTime64(3, 'UTC') COMMENT 'when Kafka got it, by Kafka''s clock',
    occurred_at DateTime64(6, 'UTC') COMMENT 'event time: the end of the second that caused it',
    delay_ms Int64 COMMENT 'detected_at - occurred_at',
    incident_id String COMMENT 'alerts of one incident have the same',
    silenced_by Array(String) COMMENT 'silences and maintenance windows that it fitted',

    schema_version LowCardinality(String),
    alert_id String,
    revision UInt32,
    state LowCardinality(String) COMMENT 'firing, updated or resolved',
    rule LowCardinality(String),
    rule_version LowCardinality(String),
    rule_group LowCardinality(String),
    severity LowCardinality(String),
    dimension LowCardinality(String),
    entity String COMMENT 'the values of a combined one are joined by U+001F',
    metric LowCardinality(String),
    condition LowCardinality(String),
    filter String COMMENT 'which calls were looked at, if not all',
    value Float64,
    baseline Nullable(Float64),
    threshold Float64,
    window_s UInt32,
    started_at DateTime64(6, 'UTC'),
    evidence Array(String) COMMENT 'ids of calls, calls.call_id',
    summary String,
    recommendation String,
    runbook_url String,
    action_required Bool
)
ENGINE = ${replacing_merge_tree}
PARTITION BY toYYYYMM(detected_at)
ORDER BY (kafka_partition, kafka_offset);

-- One row per record of llm.alert-controls: acknowledgements and silences, each change of them.
CREATE TABLE IF NOT EXISTS ${database}.alert_controls ${on_cluster}
(
    kafka_partition UInt32,
    kafka_offset UInt64,
    appended_at DateTime64(3, 'UTC') COMMENT 'the broker''s clock',
    schema_version LowCardinality(String),
    kind LowCardinality(String) COMMENT 'acknowledgement or silence',
    control_id String COMMENT 'its newest row holds',
    alert_id String COMMENT 'of an acknowledgement, as are the three below',
    acknowledged_by String,
    acknowledged_at Nullable(DateTime64(6, 'UTC')),
    note String,
    rules Array(String) COMMENT 'globs of a silence, as are the three below; empty fits all',
    severities Array(String),
    dimensions Array(String),
    entities Array(String),
    starts_at Nullable(DateTime64(6, 'UTC')),
    ends_at Nullable(DateTime64(6, 'UTC')),
    created_by String,
    reason String,
    ended_by String
)
ENGINE = ${replacing_merge_tree}
PARTITION BY toYYYYMM(appended_at)
ORDER BY (kafka_partition, kafka_offset);

-- The newest state of each alert, and who has taken it on.
CREATE VIEW IF NOT EXISTS ${database}.alerts_latest ${on_cluster} AS
SELECT alerts.*, taken.acknowledged_by AS acknowledged_by, taken.acknowledged_at AS acknowledged_at, taken.note AS note
FROM
(
    SELECT * FROM ${database}.alerts ORDER BY alert_id, revision DESC, kafka_offset LIMIT 1 BY alert_id
) AS alerts
LEFT ANY JOIN
(
    SELECT alert_id, acknowledged_by, acknowledged_at, note
    FROM ${database}.alert_controls
    WHERE kind = 'acknowledgement'
    ORDER BY alert_id, kafka_offset DESC
    LIMIT 1 BY alert_id
) AS taken ON taken.alert_id = alerts.alert_id;

-- One row per incident. It is over when none of its alerts is open.
CREATE VIEW IF NOT EXISTS ${database}.incidents ${on_cluster} AS
SELECT
    incident_id,
    min(first_at) AS opened_at,
    max(last_at) AS changed_at,
    count() AS alerts,
    countIf(newest_state != 'resolved') AS open_alerts,
    arraySort(groupUniqArray(its_rule)) AS rules,
    arrayFirst(
        name -> has(groupUniqArray(newest_severity), name), ['CRITICAL', 'HIGH', 'MEDIUM', 'WARNING', 'INFO']
    ) AS severity,
    argMin(first_summary, (first_at, its_id)) AS began_with
FROM
(
    SELECT
        incident_id,
        alert_id AS its_id,
        any(rule) AS its_rule,
        min(occurred_at) AS first_at,
        max(occurred_at) AS last_at,
        argMax(state, revision) AS newest_state,
        argMax(severity, revision) AS newest_severity,
        argMin(summary, revision) AS first_summary
    FROM ${database}.alerts
    GROUP BY incident_id, alert_id
)
GROUP BY incident_id;
