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
                arrayConcat([toDate('1970-01-01')], cost_centre_turns)
            ) AS held
        FROM mappings
        WHERE target = 'cost_centre'
        GROUP BY dimension, value
    )
) AS cost_centre_known
SELECT
    coalesce(
        if(length(cost_centre_known.1) = 1, NULL, nullIf(transform(
            transform(call.api_key_id, cost_centre_known.1, cost_centre_known.2, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.3) = 1, NULL, nullIf(transform(
            transform(call.user_id, cost_centre_known.3, cost_centre_known.4, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.5) = 1, NULL, nullIf(transform(
            transform(call.feature, cost_centre_known.5, cost_centre_known.6, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.7) = 1, NULL, nullIf(transform(
            transform(call.team, cost_centre_known.7, cost_centre_known.8, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.9) = 1, NULL, nullIf(transform(
            transform(call.service, cost_centre_known.9, cost_centre_known.10, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.11) = 1, NULL, nullIf(transform(
            transform(call.environment, cost_centre_known.11, cost_centre_known.12, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.13) = 1, NULL, nullIf(transform(
            transform(call.request_source, cost_centre_known.13, cost_centre_known.14, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.15) = 1, NULL, nullIf(transform(
            transform(call.provider, cost_centre_known.15, cost_centre_known.16, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.17) = 1, NULL, nullIf(transform(
            transform(call.model, cost_centre_known.17, cost_centre_known.18, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
        ), '')),
        if(length(cost_centre_known.19) = 1, NULL, nullIf(transform(
            transform(call.department, cost_centre_known.19, cost_centre_known.20, toUInt64(0)) * 65536
                + transform(
                    least(toUInt16(call.day), cost_centre_days[-1]), cost_centre_days, cost_centre_periods, toUInt64(1)
                ),
            cost_centre_known.21, cost_centre_known.22, ''
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
