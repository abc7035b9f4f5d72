WITH
(
    SELECT arraySort(groupUniqArrayArray(arrayFilter(
        day -> day NOT IN (toDate('1970-01-01'), toDate('2149-06-06')), [valid_from, valid_until]
    )))
    FROM mappings
    WHERE target = 'cost_centre'
) AS cost_centre_turns,
if(empty(cost_centre_turns), [toUInt16(0)], range(toUInt16(cost_centre_turns[1]), toUInt16(cost_centre_turns[-1]) + 1))
    AS cost_centre_days,
arrayMap(day -> toUInt64(arrayCount(turn -> toUInt16(turn) <= day, cost_centre_turns)) + 1, cost_centre_days)
    AS cost_centre_periods,
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
                    arrayConcat([toDate('1970-01-01')], cost_centre_turns)
                ) AS held
            FROM mappings
            WHERE target = 'cost_centre'
            GROUP BY dimension, value
        )
        GROUP BY dimension
    )
) AS cost_centre_known,
indexOf(cost_centre_known.1, 'api_key_id') AS cost_centre_of_api_key_id,
indexOf(cost_centre_known.1, 'user_id') AS cost_centre_of_user_id,
indexOf(cost_centre_known.1, 'feature') AS cost_centre_of_feature,
indexOf(cost_centre_known.1, 'team') AS cost_centre_of_team,
indexOf(cost_centre_known.1, 'service') AS cost_centre_of_service,
indexOf(cost_centre_known.1, 'environment') AS cost_centre_of_environment,
indexOf(cost_centre_known.1, 'request_source') AS cost_centre_of_request_source,
indexOf(cost_centre_known.1, 'provider') AS cost_centre_of_provider,
indexOf(cost_centre_known.1, 'model') AS cost_centre_of_model,
indexOf(cost_centre_known.1, 'department') AS cost_centre_of_department
SELECT
    coalesce(
        if(cost_centre_of_api_key_id = 0, NULL, nullIf(transform(
            transform(call.api_key_id, cost_centre_known.2[cost_centre_of_api_key_id], cost_centre_known.3[cost_centre_of_api_key_id], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_api_key_id], cost_centre_known.5[cost_centre_of_api_key_id], ''
        ), '')),
        if(cost_centre_of_user_id = 0, NULL, nullIf(transform(
            transform(call.user_id, cost_centre_known.2[cost_centre_of_user_id], cost_centre_known.3[cost_centre_of_user_id], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_user_id], cost_centre_known.5[cost_centre_of_user_id], ''
        ), '')),
        if(cost_centre_of_feature = 0, NULL, nullIf(transform(
            transform(call.feature, cost_centre_known.2[cost_centre_of_feature], cost_centre_known.3[cost_centre_of_feature], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_feature], cost_centre_known.5[cost_centre_of_feature], ''
        ), '')),
        if(cost_centre_of_team = 0, NULL, nullIf(transform(
            transform(call.team, cost_centre_known.2[cost_centre_of_team], cost_centre_known.3[cost_centre_of_team], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_team], cost_centre_known.5[cost_centre_of_team], ''
        ), '')),
        if(cost_centre_of_service = 0, NULL, nullIf(transform(
            transform(call.service, cost_centre_known.2[cost_centre_of_service], cost_centre_known.3[cost_centre_of_service], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_service], cost_centre_known.5[cost_centre_of_service], ''
        ), '')),
        if(cost_centre_of_environment = 0, NULL, nullIf(transform(
            transform(call.environment, cost_centre_known.2[cost_centre_of_environment], cost_centre_known.3[cost_centre_of_environment], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_environment], cost_centre_known.5[cost_centre_of_environment], ''
        ), '')),
        if(cost_centre_of_request_source = 0, NULL, nullIf(transform(
            transform(call.request_source, cost_centre_known.2[cost_centre_of_request_source], cost_centre_known.3[cost_centre_of_request_source], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_request_source], cost_centre_known.5[cost_centre_of_request_source], ''
        ), '')),
        if(cost_centre_of_provider = 0, NULL, nullIf(transform(
            transform(call.provider, cost_centre_known.2[cost_centre_of_provider], cost_centre_known.3[cost_centre_of_provider], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_provider], cost_centre_known.5[cost_centre_of_provider], ''
        ), '')),
        if(cost_centre_of_model = 0, NULL, nullIf(transform(
            transform(call.model, cost_centre_known.2[cost_centre_of_model], cost_centre_known.3[cost_centre_of_model], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_model], cost_centre_known.5[cost_centre_of_model], ''
        ), '')),
        if(cost_centre_of_department = 0, NULL, nullIf(transform(
            transform(call.department, cost_centre_known.2[cost_centre_of_department], cost_centre_known.3[cost_centre_of_department], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.4[cost_centre_of_department], cost_centre_known.5[cost_centre_of_department], ''
        ), '')),
        toString('')
    ) AS cost_centre,
    sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls
FROM calls_day AS call
WHERE call.day >= toDate({since:DateTime('UTC')}) AND call.day < {until:DateTime('UTC')}
GROUP BY cost_centre
ORDER BY cost_usd DESC NULLS LAST, calls DESC, cost_centre
LIMIT {limit:UInt32}
