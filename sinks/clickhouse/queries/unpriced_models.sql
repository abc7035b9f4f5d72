-- title: Models without a price
-- answers: Which models could not be priced, and how many calls and tokens that leaves out.
-- reads: calls_hour
-- param since DateTime = 30d: from this moment on, full hours
-- param until DateTime = now: before this moment, full hours
SELECT
    call.provider AS provider,
    call.model AS model,
    sum(call.unpriced_calls) AS unpriced_calls,
    sum(call.calls) AS calls,
    sumIf(call.input_tokens, call.unpriced_calls > 0) AS input_tokens,
    sumIf(call.output_tokens, call.unpriced_calls > 0) AS output_tokens
FROM calls_hour AS call
WHERE ${within_hours}
GROUP BY provider, model
HAVING unpriced_calls > 0
ORDER BY unpriced_calls DESC, provider, model
