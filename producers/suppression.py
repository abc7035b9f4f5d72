"""One call, one record: whoever records a call keeps the layers below it from recording it again."""

from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Self

recording: Final[ContextVar[bool]] = ContextVar("tokentrail_recording", default=False)
"""True while a layer above, in this thread or task, records the call that is being made."""


def suppressed() -> bool:
    """Return whether this call is recorded by a layer above: then pass it on and record nothing."""
    return recording.get()


class recording_here:  # noqa: N801 - reads as a state: `with recording_here():`
    """Tell the layers below that the call made in this block is recorded already. Not for two blocks at once.

    To be left in the context it was entered in. Left elsewhere, as by a generator that is finalized in another task, it
    changes nothing there and does not raise.
    """

    __slots__ = ("_token",)

    def __enter__(self) -> Self:
        self._token: Token[bool] = recording.set(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            recording.reset(self._token)
        except ValueError:  # this is another context than the one that was marked
            return
