-- What belongs to what: a key to a department, a user to a team. Append-only: of the rows that are valid on a call's day,
-- the one recorded last holds, so that a correction moves the past as well, and what held before can still be seen.
CREATE TABLE IF NOT EXISTS ${database}.mappings ${on_cluster}
(
    recorded_at DateTime64(6, 'UTC') DEFAULT now64(6),
    position UInt32 COMMENT 'in an import: a later line holds',
    recorded_by String,
    dimension LowCardinality(String) COMMENT 'what is mapped: api_key_id, user_id, feature, team, service, ...',
    value String,
    target LowCardinality(String) COMMENT 'department, team or cost_centre',
    target_value String COMMENT 'empty: not mapped in these days any more',
    valid_from Date COMMENT 'first UTC day',
    valid_until Date COMMENT 'first UTC day after',
    note String
)
ENGINE = ${merge_tree}
ORDER BY (dimension, value, target, recorded_at, position);
