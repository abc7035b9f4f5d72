WITH
(
    SELECT arraySort(groupUniqArrayArray(arrayFilter(
        day -> day NOT IN (toDate('1970-01-01'), toDate('2149-06-06')), [valid_from, valid_until]
    )))
    FROM mappings
    WHERE target = 'department'
) AS department_turns,
if(empty(department_turns), [toUInt16(0)], range(toUInt16(department_turns[1]), toUInt16(department_turns[-1]) + 1))
    AS department_days,
arrayMap(day -> toUInt64(arrayCount(turn -> toUInt16(turn) <= day, department_turns)) + 1, department_days)
    AS department_periods,
(
    SELECT (
        groupArray(dimension),
        groupArray(arrayConcat([''], its_values)),
        groupArray(arrayConcat([toUInt64(0)], its_ids)),
        groupArray(arrayConcat([toUInt64(0)], its_held_at)),
        groupArray(arrayConcat([''], its_held))
    )
    FROM
    (
        SELECT
            dimension,
            groupArray(value) AS its_values,
            groupArray(id) AS its_ids,
            groupArrayArray(arrayMap((name, period) -> id * 65536 + period, held, arrayEnumerate(held))) AS its_held_at,
            groupArrayArray(held) AS its_held
        FROM
        (
            SELECT
                dimension,
                value,
                row_number() OVER () AS id,
                arrayReverseSort(groupArray((recorded_at, position, valid_from, valid_until, target_value))) AS entries,
                arrayMap(
                    turn -> arrayFirst(entry -> turn >= entry.3 AND turn < entry.4, entries).5,
                    arrayConcat([toDate('1970-01-01')], department_turns)
                ) AS held
            FROM mappings
            WHERE target = 'department'
            GROUP BY dimension, value
        )
        GROUP BY dimension
    )
) AS department_known,
indexOf(department_known.1, 'api_key_id') AS department_of_api_key_id,
indexOf(department_known.1, 'user_id') AS department_of_user_id,
indexOf(department_known.1, 'feature') AS department_of_feature,
indexOf(department_known.1, 'team') AS department_of_team,
indexOf(department_known.1, 'service') AS department_of_service,
indexOf(department_known.1, 'environment') AS department_of_environment,
indexOf(department_known.1, 'request_source') AS department_of_request_source,
indexOf(department_known.1, 'provider') AS department_of_provider,
indexOf(department_known.1, 'model') AS department_of_model,
indexOf(department_known.1, 'department') AS department_of_department
SELECT
    coalesce(
        if(department_of_api_key_id = 0, NULL, nullIf(transform(
            transform(call.api_key_id, department_known.2[department_of_api_key_id], department_known.3[department_of_api_key_id], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_api_key_id], department_known.5[department_of_api_key_id], ''
        ), '')),
        if(department_of_user_id = 0, NULL, nullIf(transform(
            transform(call.user_id, department_known.2[department_of_user_id], department_known.3[department_of_user_id], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_user_id], department_known.5[department_of_user_id], ''
        ), '')),
        if(department_of_feature = 0, NULL, nullIf(transform(
            transform(call.feature, department_known.2[department_of_feature], department_known.3[department_of_feature], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_feature], department_known.5[department_of_feature], ''
        ), '')),
        if(department_of_team = 0, NULL, nullIf(transform(
            transform(call.team, department_known.2[department_of_team], department_known.3[department_of_team], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_team], department_known.5[department_of_team], ''
        ), '')),
        if(department_of_service = 0, NULL, nullIf(transform(
            transform(call.service, department_known.2[department_of_service], department_known.3[department_of_service], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_service], department_known.5[department_of_service], ''
        ), '')),
        if(department_of_environment = 0, NULL, nullIf(transform(
            transform(call.environment, department_known.2[department_of_environment], department_known.3[department_of_environment], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_environment], department_known.5[department_of_environment], ''
        ), '')),
        if(department_of_request_source = 0, NULL, nullIf(transform(
            transform(call.request_source, department_known.2[department_of_request_source], department_known.3[department_of_request_source], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_request_source], department_known.5[department_of_request_source], ''
        ), '')),
        if(department_of_provider = 0, NULL, nullIf(transform(
            transform(call.provider, department_known.2[department_of_provider], department_known.3[department_of_provider], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_provider], department_known.5[department_of_provider], ''
        ), '')),
        if(department_of_model = 0, NULL, nullIf(transform(
            transform(call.model, department_known.2[department_of_model], department_known.3[department_of_model], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_model], department_known.5[department_of_model], ''
        ), '')),
        if(department_of_department = 0, NULL, nullIf(transform(
            transform(call.department, department_known.2[department_of_department], department_known.3[department_of_department], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), department_days[-1]), department_days, department_periods, toUInt64(1)
                ),
            department_known.4[department_of_department], department_known.5[department_of_department], ''
        ), '')),
        toString(call.department)
    ) AS department,
    sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls
FROM calls_day AS call
WHERE call.day >= toDate({since:DateTime('UTC')}) AND call.day < {until:DateTime('UTC')}
GROUP BY department
ORDER BY cost_usd DESC NULLS LAST, calls DESC, department
LIMIT {limit:UInt32}
