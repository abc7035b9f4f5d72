SELECT
    coalesce(
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_api_key_id.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_user_id.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_feature.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_team.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_service.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_environment.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_request_source.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_provider.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_model.team).5, ''),
        nullIf(arrayFirst(entry -> call.day >= entry.3 AND call.day < entry.4, mapped_department.team).5, ''),
        toString(call.team)
    ) AS team,
    sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls
FROM (
    SELECT
        call.day AS day,
        call.status AS status,
        if(call.api_key_id IN (SELECT value FROM mappings WHERE dimension = 'api_key_id'), toString(call.api_key_id), '') AS api_key_id,
        if(call.user_id IN (SELECT value FROM mappings WHERE dimension = 'user_id'), toString(call.user_id), '') AS user_id,
        if(call.feature IN (SELECT value FROM mappings WHERE dimension = 'feature'), toString(call.feature), '') AS feature,
        call.team AS team,
        if(call.service IN (SELECT value FROM mappings WHERE dimension = 'service'), toString(call.service), '') AS service,
        if(call.environment IN (SELECT value FROM mappings WHERE dimension = 'environment'), toString(call.environment), '') AS environment,
        if(call.request_source IN (SELECT value FROM mappings WHERE dimension = 'request_source'), toString(call.request_source), '') AS request_source,
        if(call.provider IN (SELECT value FROM mappings WHERE dimension = 'provider'), toString(call.provider), '') AS provider,
        if(call.model IN (SELECT value FROM mappings WHERE dimension = 'model'), toString(call.model), '') AS model,
        call.department AS department,
        sum(call.calls) AS calls,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.priced_calls) AS priced_calls,
        sum(call.unpriced_calls) AS unpriced_calls,
        sum(call.cost_usd) AS cost_usd
    FROM calls_day AS call
    WHERE call.day >= toDate({since:DateTime('UTC')}) AND call.day < {until:DateTime('UTC')}
    GROUP BY day, status, api_key_id, user_id, feature, team, service, environment, request_source, provider, model, department
) AS call
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'api_key_id'
    )
    GROUP BY value
) AS mapped_api_key_id ON mapped_api_key_id.value = call.api_key_id
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'user_id'
    )
    GROUP BY value
) AS mapped_user_id ON mapped_user_id.value = call.user_id
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'feature'
    )
    GROUP BY value
) AS mapped_feature ON mapped_feature.value = call.feature
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'team'
    )
    GROUP BY value
) AS mapped_team ON mapped_team.value = call.team
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'service'
    )
    GROUP BY value
) AS mapped_service ON mapped_service.value = call.service
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'environment'
    )
    GROUP BY value
) AS mapped_environment ON mapped_environment.value = call.environment
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'request_source'
    )
    GROUP BY value
) AS mapped_request_source ON mapped_request_source.value = call.request_source
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'provider'
    )
    GROUP BY value
) AS mapped_provider ON mapped_provider.value = call.provider
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'model'
    )
    GROUP BY value
) AS mapped_model ON mapped_model.value = call.model
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM mappings
        WHERE dimension = 'department'
    )
    GROUP BY value
) AS mapped_department ON mapped_department.value = call.department
GROUP BY team
ORDER BY cost_usd DESC NULLS LAST, calls DESC, team
LIMIT {limit:UInt32}
