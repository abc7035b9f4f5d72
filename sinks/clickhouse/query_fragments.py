"""What several named queries say in the same words: `${spend}` and the like, over a table whose alias is `call`."""

from typing import Final

from tokentrail.processors.mappings import TARGETS
from tokentrail.sinks.clickhouse.mapping_sql import known_mappings, mapped_on_day

_LEVELS: Final = "quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)"
_WITHIN_DAYS: Final = "call.day >= toDate({since:DateTime('UTC')}) AND call.day < {until:DateTime('UTC')}"
_WORDS: Final = {
    "spend": """\
sum(call.calls) AS calls,
    sumIf(call.calls, call.status != 'SUCCESS') AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls""",
    "latency": """\
if(sum(call.latency_count) = 0, NULL, sum(call.latency_ms_sum) / sum(call.latency_count)) AS average_ms,
    if(sum(call.latency_count) = 0, NULL, ${latency_levels}[1]) AS p50_ms,
    if(sum(call.latency_count) = 0, NULL, ${latency_levels}[3]) AS p95_ms,
    if(sum(call.latency_count) = 0, NULL, ${latency_levels}[4]) AS p99_ms""",
    "first_token": """\
if(sum(call.time_to_first_token_count) = 0, NULL, ${first_token_levels}[1]) AS first_token_p50_ms,
    if(sum(call.time_to_first_token_count) = 0, NULL, ${first_token_levels}[3]) AS first_token_p95_ms""",
    **{f"known_{name}": known_mappings(name) for name in TARGETS},
    **{f"mapped_{name}": mapped_on_day(name, f"call.{name}") for name in TARGETS if name != "cost_centre"},
    "mapped_cost_centre": mapped_on_day("cost_centre", "''"),
    "within": """\
call.time >= {since:DateTime('UTC')} AND call.time < {until:DateTime('UTC')}
    AND call.appended_at >= {since:DateTime('UTC')} - INTERVAL 5 MINUTE
    AND call.appended_at < {until:DateTime('UTC')} + INTERVAL 7 DAY""",
    "within_minutes": (
        "call.minute >= toStartOfMinute({since:DateTime('UTC')}) AND call.minute < {until:DateTime('UTC')}"
    ),
    "within_hours": "call.hour >= toStartOfHour({since:DateTime('UTC')}) AND call.hour < {until:DateTime('UTC')}",
    "within_days": _WITHIN_DAYS,
    "within_month": "call.day >= {month:Date} AND call.day < {month:Date} + INTERVAL 1 MONTH",
}
FRAGMENTS: Final = {
    name: text.replace("${latency_levels}", f"{_LEVELS}(call.latency_quantiles)").replace(
        "${first_token_levels}", f"{_LEVELS}(call.time_to_first_token_quantiles)"
    )
    for name, text in _WORDS.items()
}
"""Periods are of full minutes, hours and days where a rollup is read. `appended_at` only prunes partitions."""
