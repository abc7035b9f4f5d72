"""No record, no call: where the delivery is `strict`, a call waits until its start is safe on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokentrail.errors import RecordingRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from tokentrail.producers.exchange import Exchange
    from tokentrail.producers.scribe import Scribe

WAIT_S: Final = 5.0
"""A commit takes milliseconds; a disk that takes longer than this counts as one that cannot be written."""


def put_surely(scribe: Scribe, record: Callable[[], bool]) -> Future[bool]:
    """Have the scribe record something, and return whether it came to be safe on the disk.

    `record` says whether it was taken at all: a full spool takes nothing.
    """
    from concurrent.futures import Future  # only here, and asyncio below: strict delivery is rare, an import is not

    recorded: Future[bool] = Future()
    recorded.set_running_or_notify_cancel()  # who is cancelled while he waits must not cancel what is written

    def run() -> None:
        taken = False
        try:
            taken = record()
        finally:
            if not taken:
                recorded.set_result(False)
        if taken:
            scribe.after_commit(recorded.set_result)

    if not scribe.put(run):
        recorded.set_result(False)
    return recorded


def require_commit(scribe: Scribe, record: Callable[[], bool]) -> None:
    """Have the scribe record something, and return once it is safe.

    Raises:
        RecordingRefusedError: it is not; what was to be recorded must not be done.
    """
    if not _is_safe(put_surely(scribe, record)):
        refuse(None)


def require_record(exchange: Exchange | None) -> None:
    """Return once the start of the call is safe.

    Raises:
        RecordingRefusedError: it is not; the call must not be made.
    """
    if exchange is None or exchange.recorded is None or not _is_safe(exchange.recorded):
        refuse(exchange)


async def require_record_async(exchange: Exchange | None) -> None:
    """As `require_record`; the event loop goes on meanwhile."""
    safe = False
    if exchange is not None and exchange.recorded is not None:
        try:
            safe = await _is_safe_async(exchange.recorded)
        except BaseException as error:
            exchange.fail(error)
            raise
    if not safe:
        refuse(exchange)


def refuse(exchange: Exchange | None) -> None:
    """End the exchange as one that was not made.

    Raises:
        RecordingRefusedError: always.
    """
    error = RecordingRefusedError(
        "The call was not made: it could not be recorded, and the delivery is strict. The log of `tokentrail` says "
        "what stands in the way; TOKENTRAIL_DELIVERY=spool lets calls be made without a record."
    )
    if exchange is not None:
        exchange.fail(error)
    raise error


def _is_safe(recorded: Future[bool]) -> bool:
    try:
        return recorded.result(WAIT_S)
    except TimeoutError:
        return False


async def _is_safe_async(recorded: Future[bool]) -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:  # another kind of event loop, as trio's: a commit is short
        return _is_safe(recorded)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(recorded), WAIT_S)
    except TimeoutError:
        return False
