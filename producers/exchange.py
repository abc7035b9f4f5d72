"""One HTTP attempt as the caller's thread sees it: references and times. Nothing is read, parsed or copied here."""

from __future__ import annotations

import sys
import time
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.attempts import AttemptNumber, attempt_number
from tokentrail.producers.context import current_attributes, current_labels
from tokentrail.producers.guard import guarded
from tokentrail.producers.http_status import names_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from tokentrail.producers.capture import Capture

HANDOVER_BYTES: Final = 262_144
"""So much of an answer is kept in the caller's hands before the scribe reads on."""
_ENDING: Final = guarded("recording the end of a call")
_READING_ON: Final = guarded("reading on in an answer")
_clock = time.perf_counter
_last: ContextVar[tuple[Exchange, int] | None] = ContextVar("tokentrail_last_exchange", default=None)
"""The last exchange, and who made it: tasks and threads that are begun later may inherit this variable."""


class Exchange:
    """What is seen of one attempt, until it has ended; the first ending counts. Not for two threads at once.

    Every method returns within microseconds and raises nothing.
    """

    __slots__ = (
        "_capture", "_ended", "_piece_bytes", "answer_headers", "attempt", "attributes", "began", "began_ns", "body",
        "code", "complete", "decode_whole", "decoded", "description", "ended", "error_names", "error_text", "headers",
        "host", "labels", "marks", "method", "pieces", "pieces_lost", "port", "previous", "recorded", "retried",
        "target",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self, capture: Capture, method: str, host: str, port: int | None, target: bytes, headers: Any, body: Any
    ) -> None:
        self._capture = capture
        self._ended = False
        self._piece_bytes = 0
        self.method = method
        self.host = host
        self.port = port
        self.target = target
        """Path and query as they are sent."""
        self.headers = headers
        """Name and value of each, as bytes, in any case."""
        self.body = body
        """Bytes, or None where reading would consume it."""
        self.labels = current_labels()
        self.attributes = current_attributes()
        self.attempt: AttemptNumber | None = attempt_number.get()
        last, runner = _last.get(), _runner()
        self.previous = last[0] if last is not None and last[1] == runner else None
        """The attempt before this one in the same thread or task: this one may be its retry."""
        _last.set((self, runner))
        self.code: int | None = None
        self.answer_headers: Any = ()
        self.decoded = True
        self.decode_whole: Callable[[bytes, str], bytes] | None = None
        self.pieces: list[bytes] = []
        self.marks: list[float] = []
        self.pieces_lost = False
        self.retried: int | None = None
        """How often the library has sent the request again by itself, unseen."""
        self.complete = False
        self.error_names: tuple[str, ...] = ()
        self.error_text = ""
        self.recorded: Future[bool] | None = None
        """Where no call may be made unrecorded: whether its start is safe."""
        self.description: Any = None
        """What the scribe has made of it so far."""
        self.began_ns = time.time_ns()
        self.began = self.ended = _clock()

    def answered(
        self, code: int, headers: Any, *, decoded: bool, decode_whole: Callable[[bytes, str], bytes] | None = None
    ) -> None:
        """Take status and headers. `decoded`: pieces come without the content encoding that the headers name.

        `decode_whole` undoes the named encoding for a whole body, where the library at hand can.
        """
        self.code = code
        self.answer_headers = headers
        self.decoded = decoded
        self.decode_whole = decode_whole

    def chunk(self, data: bytes) -> None:
        """Take the next bytes of the body, as they came."""
        self.pieces.append(data)
        self.marks.append(_clock())
        self._piece_bytes += len(data)
        if self._piece_bytes > HANDOVER_BYTES:
            self._hand_over()

    def end(self) -> None:
        """The body is complete."""
        self._finish(complete=True)

    def abandon(self) -> None:
        """The caller has closed the answer, or dropped it; harmless after the end."""
        if not self._ended:
            self._finish(complete=False)

    def fail(self, error: BaseException) -> None:
        """The attempt ended with an exception."""
        if not self._ended:
            with _ENDING:
                self.error_names = names_of(error)
                self.error_text = str(error)
            self._finish(complete=False)

    def held_bytes(self) -> int:
        """Return how much of the request and its answer is kept in memory."""
        return self._piece_bytes + (len(self.body) if self.body else 0)

    def let_go(self) -> None:
        """Keep nothing of request and answer, nor the attempt before: a thread keeps its last exchange for long."""
        self.body = self.previous = None
        self.pieces, self.marks, self._piece_bytes = [], [], 0

    def lose_pieces(self) -> None:
        """Keep nothing of the answer that has not been read, and know that something is missing."""
        self.pieces_lost |= bool(self.pieces)
        self.pieces, self.marks, self._piece_bytes = [], [], 0

    def _hand_over(self) -> None:
        pieces, marks, piece_bytes = self.pieces, self.marks, self._piece_bytes
        self.pieces, self.marks, self._piece_bytes = [], [], 0
        with _READING_ON:
            self.pieces_lost |= not self._capture.read_on(self, pieces, marks, piece_bytes)

    def _finish(self, *, complete: bool) -> None:
        if self._ended:
            return
        self._ended = True
        self.complete = complete
        with _ENDING:
            self.ended = _clock()
            self._capture.finish(self)


def _runner() -> int:
    """Return what tells the running task, or else the thread, from all others that are alive."""
    asyncio: Any = sys.modules.get("asyncio")
    running_loop = getattr(asyncio, "_get_running_loop", None)  # missing where another thread just imports it
    loop = running_loop() if running_loop is not None else None
    task = asyncio.current_task(loop) if loop is not None else None
    return get_ident() if task is None else id(task)
