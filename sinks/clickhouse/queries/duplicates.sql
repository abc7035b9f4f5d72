-- title: Repeated requests
-- answers: Which requests were sent again and again with the same content; a retry of the SDK is no repetition.
-- reads: calls_corrected
-- param since DateTime = 24h: from this moment on
-- param until DateTime = now: before this moment
-- param above UInt32 = 3: sent more often than this
-- param limit UInt32 = 50: how many rows
SELECT
    call.request_hash AS request_hash,
    uniqExact(if(call.logical_call_id = '', call.call_id, call.logical_call_id)) AS requests,
    arraySort(groupUniqArray(call.user_id)) AS users,
    arraySort(groupUniqArray(call.feature)) AS features,
    arraySort(groupUniqArray(call.model)) AS models,
    sum(call.cost_usd) AS cost_usd,
    min(call.time) AS first_at,
    max(call.time) AS last_at
FROM calls_corrected AS call
WHERE ${within} AND call.request_hash != ''
    AND cityHash64(call.request_hash) IN
    (
        SELECT cityHash64(call.request_hash) AS its_hash
        FROM calls AS call
        WHERE ${within} AND call.request_hash != ''
        GROUP BY its_hash
        HAVING count() > {above:UInt32}
    )
GROUP BY request_hash
HAVING requests > {above:UInt32}
ORDER BY requests DESC, request_hash
LIMIT {limit:UInt32}
