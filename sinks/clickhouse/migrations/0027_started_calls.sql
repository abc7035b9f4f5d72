-- Which call an event began, short: what has not ended since is found without reading a payload. Of rows that were there
-- before, it is taken from their payloads when it is asked for.
ALTER TABLE ${database}.event_log ${on_cluster} ADD COLUMN IF NOT EXISTS started_call UInt64
    MATERIALIZED if(event_type = 'llm.call.started', sipHash64(JSONExtractString(payload, 'call_id')), 0)
    CODEC(ZSTD(1)) COMMENT 'sipHash64 of the call_id of llm.call.started; 0 of all else';
