SELECT
    call.provider AS provider,
    call.server_address AS server_address,
    call.endpoint AS endpoint,
    count() AS calls,
    avg(call.latency_ms) AS average_ms,
    quantileTDigest(0.5)(call.latency_ms) AS p50_ms,
    quantileTDigest(0.95)(call.latency_ms) AS p95_ms,
    quantileTDigest(0.99)(call.latency_ms) AS p99_ms
FROM calls AS call
WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.latency_ms IS NOT NULL
GROUP BY provider, server_address, endpoint
HAVING calls >= {min_calls:UInt32}
ORDER BY p95_ms DESC, provider, server_address, endpoint
LIMIT {limit:UInt32}
