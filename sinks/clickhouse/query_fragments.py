"""What several named queries say in the same words: `${spend}` and the like, over a table whose alias is `call`."""

from typing import Final

from tokentrail.processors.mappings import TARGETS
from tokentrail.sinks.clickhouse.mapping_sql import known_mappings, mapped_on_day
from tokentrail.sinks.clickhouse.period_sql import of_hours, of_minutes, union_of

_LEVELS: Final = "quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)"
_MERGED: Final = "quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)"
_WITHIN_DAYS: Final = "call.day >= toDate({since:DateTime('UTC')}) AND call.day < {until:DateTime('UTC')}"
_SPEND: Final = """\
sum(call.calls) AS calls,
    ${failures} AS failures,
    sum(call.input_tokens) AS input_tokens,
    sum(call.output_tokens) AS output_tokens,
    if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
    sum(call.unpriced_calls) AS unpriced_calls"""
_SPEND_SUMS: Final = (
    "sum(call.calls) AS calls",
    "sumIf(call.calls, call.status != 'SUCCESS') AS failures",
    "sum(call.input_tokens) AS input_tokens",
    "sum(call.output_tokens) AS output_tokens",
    "sum(call.priced_calls) AS priced_calls",
    "sum(call.cost_usd) AS cost_usd",
    "sum(call.unpriced_calls) AS unpriced_calls",
)
_LATENCY_SUMS: Final = (
    "sum(call.latency_count) AS latency_count",
    "sum(call.latency_ms_sum) AS latency_ms_sum",
    f"{_MERGED}(call.latency_quantiles) AS latency_quantiles",
)
_FIRST_TOKEN_SUMS: Final = (
    "sum(call.time_to_first_token_count) AS time_to_first_token_count",
    f"{_MERGED}(call.time_to_first_token_quantiles) AS time_to_first_token_quantiles",
)
_CACHE_SUMS: Final = (
    "sum(call.calls) AS calls",
    "sum(call.input_tokens) AS input_tokens",
    "sum(call.cache_read_tokens) AS cache_read_tokens",
    "sum(call.cache_write_tokens) AS cache_write_tokens",
)
_ROWS: Final = tuple(
    f"call.{name} AS {name}"
    for name in ("status", "calls", "input_tokens", "output_tokens", "priced_calls", "cost_usd", "unpriced_calls")
)
_PER_MODEL: Final = ("provider", "model")
# Each has the columns that its query wants and no more: the engine takes 0.5 ms to look at one that it then leaves out.
_PERIODS: Final = {
    **{
        f"{name}s_of_hours": union_of(of_hours("usage"), (f"call.{name} AS {name}", *_ROWS))
        for name in ("department", "environment", "feature", "service", "team")
    },
    "statuses_of_minutes": union_of(of_minutes(), ("call.status AS status", "call.calls AS calls")),
    "models_of_hours": union_of(of_hours("usage"), _SPEND_SUMS, _PER_MODEL),
    "caches_of_hours": union_of(of_hours("usage"), _CACHE_SUMS, _PER_MODEL),
    "latencies_of_hours": union_of(of_hours("usage"), (_SPEND_SUMS[0], *_LATENCY_SUMS, *_FIRST_TOKEN_SUMS), _PER_MODEL),
    "activity_of_hours": union_of(
        of_hours("usage"),
        (*_SPEND_SUMS, "sumIf(call.calls, call.status = 'AUTH_FAILED') AS auth_failures", *_LATENCY_SUMS),
        _PER_MODEL,
    ),
    "models_of_minutes": union_of(of_minutes(), (*_SPEND_SUMS, *_LATENCY_SUMS), _PER_MODEL),
    "users_of_hours": union_of(of_hours("calls"), _SPEND_SUMS, ("user_id",)),
    "spenders_of_hours": union_of(of_hours("calls"), _SPEND_SUMS, ("user_id", "department")),
    "keys_of_hours": union_of(of_hours("calls"), _SPEND_SUMS, ("api_key_id",)),
    "persons_of_hours": union_of(of_hours("calls"), (), ("user_id", "api_key_id")),
}
_WORDS: Final = {
    "spend": _SPEND.replace("${failures}", "sumIf(call.calls, call.status != 'SUCCESS')"),
    "spend_of_sums": _SPEND.replace("${failures}", "sum(call.failures)"),
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
    **_PERIODS,
}
FRAGMENTS: Final = {
    name: text.replace("${latency_levels}", f"{_LEVELS}(call.latency_quantiles)").replace(
        "${first_token_levels}", f"{_LEVELS}(call.time_to_first_token_quantiles)"
    )
    for name, text in _WORDS.items()
}
"""Periods are of full minutes, hours and days where a rollup is read. `appended_at` only prunes partitions."""
