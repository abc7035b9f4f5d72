SELECT
    JSONExtractString(begun.payload, 'call_id') AS call,
    begun.occurred_at AS begun_at,
    JSONExtractString(begun.payload, 'service') AS service,
    JSONExtractString(begun.payload, 'user_id') AS user,
    JSONExtractString(begun.payload, 'request_model') AS model
FROM event_log AS begun
WHERE (begun.kafka_partition, begun.kafka_offset) IN
    (
        SELECT start.kafka_partition, start.kafka_offset
        FROM event_log AS start
        WHERE start.event_type = 'llm.call.started'
            AND start.appended_at >= {since:DateTime('UTC')} AND start.appended_at < {until:DateTime('UTC')}
            AND start.started_call NOT IN
            (
                SELECT sipHash64(call.call_id) FROM calls AS call WHERE call.appended_at >= {since:DateTime('UTC')}
            )
        ORDER BY start.occurred_at, start.kafka_partition, start.kafka_offset
        LIMIT {limit:UInt32}
    )
ORDER BY begun_at, call
