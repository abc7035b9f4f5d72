"""One call, one record: whoever records a call keeps the layers below it from recording it again."""

from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Self

recording: Final[ContextVar[object]] = ContextVar("tokentrail_recording", default=False)
"""True, or an object that is so, while a layer above, in this thread or task, records the call that is being made.

A task that is started meanwhile has this variable for ever; the object is false as soon as that call is over.
"""


def suppressed() -> bool:
    """Return whether this call is recorded by a layer above: then pass it on and record nothing."""
    return bool(recording.get())


class recording_here:  # noqa: N801 - reads as a state: `with recording_here():`
    """Tell the layers below that the call made in this block is recorded already. Not for two blocks at once.

    Tasks started in the block are told as well, until its end, or as long as `during` holds. To be left in the context
    it was entered in. Left elsewhere, as by a generator that is finalized in another task, it changes nothing there and
    does not raise.
    """

    __slots__ = ("_active", "_during", "_token")

    def __init__(self, during: Callable[[], bool] | None = None) -> None:
        self._active = False
        self._during = during

    def __bool__(self) -> bool:
        return self._active if self._during is None else self._during()

    def __enter__(self) -> Self:
        self._active = True
        self._token: Token[object] = recording.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._active = False
        try:
            recording.reset(self._token)
        except ValueError:  # this is another context than the one that was marked
            return
