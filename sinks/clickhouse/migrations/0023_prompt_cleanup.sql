-- Old parts go when the engine looks for them, and over a quiet table it looks only every 5 minutes: too late for what
-- was erased.
ALTER TABLE ${database}.event_log ${on_cluster} MODIFY SETTING cleanup_delay_period = 20, max_cleanup_delay_period = 60;

ALTER TABLE ${database}.calls ${on_cluster} MODIFY SETTING cleanup_delay_period = 20, max_cleanup_delay_period = 60;

ALTER TABLE ${database}.cost_corrections ${on_cluster}
    MODIFY SETTING cleanup_delay_period = 20, max_cleanup_delay_period = 60;

ALTER TABLE ${database}.alerts ${on_cluster} MODIFY SETTING cleanup_delay_period = 20, max_cleanup_delay_period = 60;

ALTER TABLE ${database}.alert_controls ${on_cluster}
    MODIFY SETTING cleanup_delay_period = 20, max_cleanup_delay_period = 60;

ALTER TABLE ${database}.calls_hour ${on_cluster} MODIFY SETTING cleanup_delay_period = 20, max_cleanup_delay_period = 60;

ALTER TABLE ${database}.calls_day ${on_cluster} MODIFY SETTING cleanup_delay_period = 20, max_cleanup_delay_period = 60;

ALTER TABLE ${database}.mappings ${on_cluster}
    MODIFY SETTING old_parts_lifetime = 60, cleanup_delay_period = 20, max_cleanup_delay_period = 60;
