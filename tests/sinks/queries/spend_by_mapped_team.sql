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
        arrayConcat([''], groupArrayIf(value, dimension = 'api_key_id')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'api_key_id')),
        arrayConcat([''], groupArrayIf(value, dimension = 'user_id')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'user_id')),
        arrayConcat([''], groupArrayIf(value, dimension = 'feature')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'feature')),
        arrayConcat([''], groupArrayIf(value, dimension = 'team')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'team')),
        arrayConcat([''], groupArrayIf(value, dimension = 'service')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'service')),
        arrayConcat([''], groupArrayIf(value, dimension = 'environment')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'environment')),
        arrayConcat([''], groupArrayIf(value, dimension = 'request_source')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'request_source')),
        arrayConcat([''], groupArrayIf(value, dimension = 'provider')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'provider')),
        arrayConcat([''], groupArrayIf(value, dimension = 'model')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'model')),
        arrayConcat([''], groupArrayIf(value, dimension = 'department')),
        arrayConcat([toUInt64(0)], groupArrayIf(id, dimension = 'department')),
        arrayConcat([toUInt64(0)], groupArrayArray(arrayMap(
            (name, period) -> id * 65536 + period, held, arrayEnumerate(held)
        ))),
        arrayConcat([''], groupArrayArray(held))
    )
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
) AS team_known
SELECT
    coalesce(
        if(length(team_known.1) = 1, NULL, nullIf(transform(
            transform(call.api_key_id, team_known.1, team_known.2, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.3) = 1, NULL, nullIf(transform(
            transform(call.user_id, team_known.3, team_known.4, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.5) = 1, NULL, nullIf(transform(
            transform(call.feature, team_known.5, team_known.6, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.7) = 1, NULL, nullIf(transform(
            transform(call.team, team_known.7, team_known.8, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.9) = 1, NULL, nullIf(transform(
            transform(call.service, team_known.9, team_known.10, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.11) = 1, NULL, nullIf(transform(
            transform(call.environment, team_known.11, team_known.12, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.13) = 1, NULL, nullIf(transform(
            transform(call.request_source, team_known.13, team_known.14, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.15) = 1, NULL, nullIf(transform(
            transform(call.provider, team_known.15, team_known.16, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.17) = 1, NULL, nullIf(transform(
            transform(call.model, team_known.17, team_known.18, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
        ), '')),
        if(length(team_known.19) = 1, NULL, nullIf(transform(
            transform(call.department, team_known.19, team_known.20, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), team_days[-1]), team_days, team_periods, toUInt64(1)
                ),
            team_known.21, team_known.22, ''
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
