"""What the rollups must add up to: each of them, and each dimension of them, against calls_corrected."""

from decimal import Decimal
from typing import Any, Final

from ledger_log import rows

from tokentrail.settings import Settings

ROLLUPS: Final = {
    "calls_minute": "minute", "calls_hour": "hour", "calls_day": "day", "usage_hour": "hour", "usage_day": "day",
}  # fmt: skip
"""Each rollup and its bucket."""
DIMENSIONS: Final = {
    "calls_minute": ("department", "service", "environment", "provider", "model", "status"),
    "calls_hour": (
        "department", "service", "environment", "provider", "model", "status", "feature", "team", "user_id",
        "api_key_id", "request_source",
    ),
}  # fmt: skip
DIMENSIONS["calls_day"] = DIMENSIONS["calls_hour"]
DIMENSIONS["usage_hour"] = DIMENSIONS["usage_day"] = tuple(
    name for name in DIMENSIONS["calls_hour"] if name not in {"user_id", "api_key_id"}
)
_BUCKETS: Final = {"minute": "toStartOfMinute(time)", "hour": "toStartOfHour(time)", "day": "toDate(time)"}
_FROM_CALLS: Final = """
    count(), sum(ifNull(input_tokens, 0)), sum(ifNull(output_tokens, 0)), sum(ifNull(cache_read_tokens, 0)),
    sum(ifNull(cache_write_5m_tokens, 0) + ifNull(cache_write_1h_tokens, 0)), sum(ifNull(reasoning_tokens, 0)),
    sum(ifNull(input_audio_tokens, 0)), sum(ifNull(output_audio_tokens, 0)), countIf(cost_usd IS NOT NULL),
    countIf(cost_usd IS NULL AND (status IN ('SUCCESS', 'ABORTED') OR input_tokens > 0 OR output_tokens > 0)),
    sum(ifNull(input_cost, 0)), sum(ifNull(output_cost, 0)), sum(ifNull(cost_usd, 0)), count(latency_ms),
    count(time_to_first_token_ms), min(time), max(time)"""
_SKETCHES_FROM_CALLS: Final = """,
    quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99)(latency_ms),
    quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99)(time_to_first_token_ms)"""
_FROM_ROLLUP: Final = """
    sum(calls), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
    sum(reasoning_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(priced_calls), sum(unpriced_calls),
    sum(input_cost), sum(output_cost), sum(cost_usd), sum(latency_count), sum(time_to_first_token_count),
    min(first_time), max(last_time)"""
_SKETCHES_FROM_ROLLUP: Final = """,
    quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(latency_quantiles),
    quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(time_to_first_token_quantiles)"""


def assert_rollups_equal_calls(settings: Settings) -> None:
    """Every measure of every bucket, Kafka partition and combination of dimensions, to the last digit."""
    for rollup, bucket in ROLLUPS.items():
        names = ", ".join(("kafka_partition", *DIMENSIONS[rollup]))
        sketched = "user_id" not in DIMENSIONS[rollup]
        of_calls = _FROM_CALLS + (_SKETCHES_FROM_CALLS if sketched else "")
        of_rollup = _FROM_ROLLUP + (_SKETCHES_FROM_ROLLUP if sketched else "")
        columns = names.replace(" team", " attributes['team'] AS team")
        wanted = rows(
            settings,
            f"SELECT {_BUCKETS[bucket]} AS {bucket}, {columns}, {of_calls} FROM calls_corrected "  # noqa: S608  # names of ours
            f"GROUP BY {bucket}, {names} ORDER BY {bucket}, {names}",
        )
        found = rows(
            settings,
            f"SELECT {bucket}, {names}, {of_rollup} FROM {rollup} "  # noqa: S608  # names of ours
            f"GROUP BY {bucket}, {names} HAVING sum(calls) > 0 ORDER BY {bucket}, {names}",
        )
        assert _comparable(found) == _comparable(wanted), rollup


def cost_sums(settings: Settings) -> dict[str, Decimal]:
    """The total of `calls_corrected` and of each rollup."""
    return {
        table: rows(settings, f"SELECT sum(toDecimal128(ifNull(cost_usd, 0), 9)) FROM {table}")[0][0]  # noqa: S608  # names of ours
        for table in ("calls_corrected", *ROLLUPS)
    }


def _comparable(found: list[tuple[Any, ...]]) -> list[str]:
    # As text: the empty sketch answers nan, which equals nothing.
    return [repr(row) for row in found]
