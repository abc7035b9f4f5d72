"""The rollups of calls, and which of their buckets a repair looks at. No I/O."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from tokentrail.errors import LedgerError


class Rollup(msgspec.Struct, frozen=True):
    """One of them. A repair is done by whole buckets: hours, or days where the rollup has nothing finer."""

    table: str
    column: str
    """Its own column of time."""
    bucket: str
    """The repair's bucket of a row of the rollup, as SQL."""
    bucket_of_call: str
    """The same of a row of `calls`."""
    bucket_s: int


ROLLUPS: Final = (
    Rollup("calls_minute", "minute", "toStartOfHour(minute)", "toStartOfHour(time)", 3600),
    Rollup("calls_hour", "hour", "hour", "toStartOfHour(time)", 3600),
    Rollup("calls_day", "day", "toDateTime(day, 'UTC')", "toDateTime(toDate(time), 'UTC')", 86_400),
    Rollup("usage_hour", "hour", "hour", "toStartOfHour(time)", 3600),
    Rollup("usage_day", "day", "toDateTime(day, 'UTC')", "toDateTime(toDate(time), 'UTC')", 86_400),
)
REBUILDS: Final = "rollup_rebuilds"


class Sums(NamedTuple):
    """What calls and a rollup are compared by."""

    calls: int
    input_tokens: int
    output_tokens: int
    priced_calls: int
    cost_usd: Decimal
    last_offset: int


SUMS_OF_CALLS: Final = (
    "count(), sum(ifNull(input_tokens, 0)), sum(ifNull(output_tokens, 0)), countIf(cost_usd IS NOT NULL), "
    "sum(toDecimal128(ifNull(cost_usd, 0), 9)), max(kafka_offset)"
)
SUMS_OF_ROLLUP: Final = (
    "sum(calls), sum(input_tokens), sum(output_tokens), sum(priced_calls), sum(cost_usd), max(last_offset)"
)

BucketSums = Mapping[tuple[int, int], Sums]
"""By Kafka partition and bucket, which is named by its first second since 1970."""


def differing_buckets(wanted: BucketSums, found: BucketSums) -> dict[int, list[int]]:
    """Return, by Kafka partition, the buckets that are not what they must be, in order of time."""
    differing: dict[int, list[int]] = {}
    for partition, bucket in sorted({*wanted, *found}):
        if wanted.get((partition, bucket)) != found.get((partition, bucket)):
            differing.setdefault(partition, []).append(bucket)
    return differing


def bucket_bounds(buckets: Iterable[int], bucket_s: int) -> tuple[int, int]:
    """Return the first second of the earliest bucket, and the first behind the latest."""
    seconds = list(buckets)
    return min(seconds), max(seconds) + bucket_s


def select_from_part(view_select: str, table: str, condition: str) -> str:
    """Return a view's SELECT, reading only the rows of `table` that meet a condition.

    Raises:
        LedgerError: the SELECT does not read the table exactly once.
    """
    pattern = rf"\bFROM (`?[\w-]+`?\.`?{table}`?)(?= AS\b| WHERE\b| GROUP\b|\s*$)"
    narrowed, found = re.subn(pattern, rf"FROM (SELECT * FROM \1 WHERE {condition})", view_select)  # noqa: S608  # the engine's own text, and numbers
    if found != 1:
        raise LedgerError(
            f"The ledger's view on {table} was changed by hand: it reads {table} {found} times. Restore it from the "
            f"migrations before the ledger can be mended."
        )
    return narrowed
