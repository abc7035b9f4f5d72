"""What one call adds to every tally it takes part in: a row of whole numbers, and its evidence. Pure."""

from typing import Final

from tokentrail.processors.call_cost import CostMeter
from tokentrail.schemas.events import CallCompleted, CallStarted, Status
from tokentrail.schemas.slices import SUMS, Row

_STATUSES: Final = (
    Status.RATE_LIMITED,
    Status.AUTH_FAILED,
    Status.TIMEOUT,
    Status.CONNECTION_ERROR,
    Status.SERVER_ERROR,
    Status.CLIENT_ERROR,
    Status.ABORTED,
)
"""In the order of the sums that count them, which begin behind `errors`."""
_NO_TOKENS: Final = (0, 0, 0)
NOTHING: Final = Row((0,) * len(SUMS), 0, "", "")


def _head(status: str, *, retry: bool) -> tuple[int, ...]:
    failed = status != Status.SUCCESS.value
    return (1, int(retry), int(failed), *(int(status == known.value) for known in _STATUSES))


_HEADS: Final = {
    (status.value, retry): _head(status.value, retry=retry) for status in Status for retry in (False, True)
}


def tally_call(call: CallCompleted, cost: CostMeter | None) -> Row:
    """Return a call's row; `cost_nano_usd` is 0 without a meter. About 1 µs, and 1.5 with one."""
    retry = bool(call.retry_count)
    status = call.status
    head = _HEADS.get((status, retry))
    if head is None:
        head = _head(status, retry=retry)
    usage = call.usage
    if usage is None:
        tokens = _NO_TOKENS
    else:
        tokens = (usage.input_tokens or 0, usage.output_tokens or 0, usage.cache_read_tokens or 0)
    return Row(
        (*head, *tokens, 0 if retry else 1, cost.cost_nano_usd(call) if cost else 0, 0),
        tokens[0] + tokens[1],
        call.call_id,
        call.call_id if head[2] else "",
    )


def tally_skew(event: CallCompleted | CallStarted) -> Row:
    """Return the row of a call whose time is far off its arrival: no call, only that."""
    return Row((*NOTHING.sums[:-1], 1), 0, event.call_id, "")


def add_rows(rows: list[Row]) -> Row:
    """Add up rows, at least one; the first failed call in their order stays."""
    largest = max(rows, key=_by_size)
    failed = next((row.failed_call_id for row in rows if row.failed_call_id), "")
    sums = tuple(map(sum, zip(*[row.sums for row in rows], strict=True)))
    return Row(sums, largest.largest_call_tokens, largest.largest_call_id, failed)


def _by_size(row: Row) -> int:
    return row.largest_call_tokens
