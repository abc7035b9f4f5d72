"""The rehearsal: a made-up call, described and recorded to nowhere, so that the first real one is not late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokentrail.producers.capture import Capture
from tokentrail.producers.scribe import Scribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokentrail.producers.describing import Describer
    from tokentrail.producers.records import Record

_HEADERS: Final = [(b"content-type", b"application/json"), (b"authorization", b"Bearer of-the-rehearsal")]
_REQUEST: Final = b'{"model":"m","messages":[{"role":"user","content":"Hello"}]}'
_ANSWER: Final = b"""{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":
{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,
"total_tokens":2}}"""


class _OnTheSpot(Scribe):
    """Does everything at once."""

    def put(self, job: Callable[[], object], held_bytes: int = 0) -> bool:  # noqa: ARG002 - as any scribe takes it
        job()
        return True


def rehearse(describer: Describer) -> None:
    """Import and compile what a call needs: the providers, a wire format, the search for secrets, the event's schema.

    Some 20 ms, in a thread where no call waits. Nothing is kept or sent of it.
    """
    from tokentrail.producers.recorder import Recorder

    recorder = Recorder(_take)
    made = Capture(lambda: recorder, lambda: describer, _OnTheSpot)
    exchange = made.begin("POST", "api.openai.com", None, b"/v1/chat/completions", _HEADERS, _REQUEST)
    exchange.answered(200, _HEADERS, decoded=True)
    exchange.chunk(_ANSWER)
    exchange.end()


def _take(_record: Record) -> bool:
    return True
