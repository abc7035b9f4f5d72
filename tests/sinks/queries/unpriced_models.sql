SELECT
    call.provider AS provider,
    call.model AS model,
    sum(call.unpriced_calls) AS unpriced_calls,
    sum(call.calls) AS calls,
    sumIf(call.input_tokens, call.unpriced_calls > 0) AS input_tokens,
    sumIf(call.output_tokens, call.unpriced_calls > 0) AS output_tokens
FROM calls_hour AS call
WHERE call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < {until:DateTime('UTC')}
GROUP BY provider, model
HAVING unpriced_calls > 0
ORDER BY unpriced_calls DESC, provider, model
