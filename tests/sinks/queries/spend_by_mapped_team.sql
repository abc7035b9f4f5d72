WITH
(
    SELECT arraySort(groupUniqArrayArray(arrayFilter(
        day -> day NOT IN (toDate('1970-01-01'), toDate('2149-06-06')), [valid_from, valid_until]
    )))
    FROM mappings
    WHERE target = 'team'
) AS team_turns,
if(empty(team_turns), [toUInt16(0)], range(toUInt16(team_turns[1]), toUInt16(team_turns[-1]) + 1))
    AS team_days,
arrayMap(day -> toUInt64(arrayCount(turn -> toUInt16(turn) <= day, team_turns)) + 1, team_days)
    AS team_periods,
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
                    arrayConcat([toDate('1970-01-01')], team_turns)
                ) AS held
            FROM mappings
            WHERE target = 'team'
            GROUP BY dimension, value
        )
        GROUP BY dimension
    )
) AS team_known,
indexOf(team_known.1, 'api_key_id') AS team_of_api_key_id,
indexOf(team_known.1, 'user_id') AS team_of_user_id,
indexOf(team_known.1, 'feature') AS team_of_feature,
indexOf(team_known.1, 'team') AS team_of_team,
indexOf(team_known.1, 'service') AS team_of_service,
indexOf(team_known.1, 'environment') AS team_of_environment,
indexOf(team_known.1, 'request_source') AS team_of_request_source,
indexOf(team_known.1, 'provider') AS team_of_provider,
indexOf(team_known.1, 'model') AS team_of_model,
indexOf(team_known.1, 'department') AS team_of_department
SELECT
    coalesce(
        if(team_of_api_key_id = 0, NULL, nullIf(transform(
            transform(call.api_key_id, team_known.2[team_of_api_key_id], team_known.3[team_of_api_key_id], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_api_key_id], team_known.5[team_of_api_key_id], ''
        ), '')),
        if(team_of_user_id = 0, NULL, nullIf(transform(
            transform(call.user_id, team_known.2[team_of_user_id], team_known.3[team_of_user_id], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_user_id], team_known.5[team_of_user_id], ''
        ), '')),
        if(team_of_feature = 0, NULL, nullIf(transform(
            transform(call.feature, team_known.2[team_of_feature], team_known.3[team_of_feature], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_feature], team_known.5[team_of_feature], ''
        ), '')),
        if(team_of_team = 0, NULL, nullIf(transform(
            transform(call.team, team_known.2[team_of_team], team_known.3[team_of_team], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_team], team_known.5[team_of_team], ''
        ), '')),
        if(team_of_service = 0, NULL, nullIf(transform(
            transform(call.service, team_known.2[team_of_service], team_known.3[team_of_service], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_service], team_known.5[team_of_service], ''
        ), '')),
        if(team_of_environment = 0, NULL, nullIf(transform(
            transform(call.environment, team_known.2[team_of_environment], team_known.3[team_of_environment], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_environment], team_known.5[team_of_environment], ''
        ), '')),
        if(team_of_request_source = 0, NULL, nullIf(transform(
            transform(call.request_source, team_known.2[team_of_request_source], team_known.3[team_of_request_source], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_request_source], team_known.5[team_of_request_source], ''
        ), '')),
        if(team_of_provider = 0, NULL, nullIf(transform(
            transform(call.provider, team_known.2[team_of_provider], team_known.3[team_of_provider], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_provider], team_known.5[team_of_provider], ''
        ), '')),
        if(team_of_model = 0, NULL, nullIf(transform(
            transform(call.model, team_known.2[team_of_model], team_known.3[team_of_model], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_model], team_known.5[team_of_model], ''
        ), '')),
        if(team_of_department = 0, NULL, nullIf(transform(
            transform(call.department, team_known.2[team_of_department], team_known.3[team_of_department], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.4[team_of_department], team_known.5[team_of_department], ''
        ), '')),
        toString(call.team)
    ) AS team,
    sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls
FROM calls_day AS call
WHERE call.day >= toDate({since:DateTime('UTC')}) AND call.day < {until:DateTime('UTC')}
GROUP BY team
ORDER BY cost_usd DESC NULLS LAST, calls DESC, team
LIMIT {limit:UInt32}
