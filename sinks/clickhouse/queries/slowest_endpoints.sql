-- title: Slowest endpoints
-- answers: Which provider endpoints answer slowest, by p95.
-- reads: calls
-- param since DateTime = 24h: from this moment on
-- param until DateTime = now: before this moment
-- param limit UInt32 = 20: how many rows
-- param min_calls UInt32 = 1: only endpoints with so many calls
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
WHERE ${within} AND call.latency_ms IS NOT NULL
GROUP BY provider, server_address, endpoint
HAVING calls >= {min_calls:UInt32}
ORDER BY p95_ms DESC, provider, server_address, endpoint
LIMIT {limit:UInt32}
