-- title: Unfinished calls
-- answers: Which calls began and have not ended since.
-- reads: event_log, calls
-- param since DateTime = 7d: begun from this moment on
-- param until DateTime = 1h: begun before this moment
-- param limit UInt32 = 100: how many rows
SELECT
    JSONExtractString(begun.payload, 'call_id') AS call,
    begun.occurred_at AS begun_at,
    JSONExtractString(begun.payload, 'service') AS service,
    JSONExtractString(begun.payload, 'user_id') AS user,
    JSONExtractString(begun.payload, 'request_model') AS model
FROM event_log AS begun
WHERE begun.event_type = 'llm.call.started'
    AND begun.appended_at >= {since:DateTime('UTC')} AND begun.appended_at < {until:DateTime('UTC')}
    AND sipHash128(call) NOT IN (SELECT sipHash128(call_id) FROM calls WHERE appended_at >= {since:DateTime('UTC')})
ORDER BY begun_at, call
LIMIT {limit:UInt32}
