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
WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.request_hash != ''
    AND cityHash64(call.request_hash) IN
    (
        SELECT cityHash64(call.request_hash) AS its_hash
        FROM calls AS call
        WHERE call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY AND call.request_hash != ''
        GROUP BY its_hash
        HAVING count() > {above:UInt32}
    )
GROUP BY request_hash
HAVING requests > {above:UInt32}
ORDER BY requests DESC, request_hash
LIMIT {limit:UInt32}
