"""What a wire format reads out of requests and answers: the interface between formats and whoever records calls."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from tokentrail.producers.wire.estimates import TextSize
from tokentrail.schemas.events import Usage

if TYPE_CHECKING:
    from tokentrail.producers.wire.errors import WireError

MAX_TEXT_CHARS: Final = 20_000
"""So much of an answer's text is kept at most, where it is kept at all."""
_MAX_CHOICES: Final = 128
"""An event holds no more finish reasons."""


class RequestRead(msgspec.Struct, kw_only=True, gc=False):
    """What a request says about itself; prompts are skipped unread."""

    model: str | None = None
    stream: bool | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    user_id: str | None = None
    """The request's own name for its user: `user`, `safety_identifier`, `metadata.user_id`."""
    session_id: str | None = None
    """The conversation it belongs to, where the format has one."""


class AnswerFacts:
    """What is known about an answer so far. Not for two threads at once."""

    __slots__ = (
        "_finish_reasons",
        "_kept",
        "_kept_chars",
        "_usage_of",
        "billed",
        "ended",
        "error",
        "has_content",
        "keep_text",
        "model",
        "output_size",
        "provider_request_id",
        "provider_usage",
        "service_tier",
        "usage_is_partial",
    )

    def __init__(
        self, usage_of: Callable[[dict[str, Any]], Usage | None], *, billed: bool = True, keep_text: bool = False
    ) -> None:
        self._usage_of = usage_of
        self._finish_reasons: dict[int, str] = {}
        self._kept: list[str] = []
        self._kept_chars = 0
        self.keep_text = keep_text
        self.billed = billed
        """False for an answer that is only fetched, or that counts tokens without using them: it has no `usage`."""
        self.usage_is_partial = False
        """The provider has counted the input so far, and not yet all of the output."""
        self.model: str | None = None
        self.service_tier: str | None = None
        self.provider_request_id: str | None = None
        """The answer's own id, from its body."""
        self.provider_usage: dict[str, Any] | None = None
        """The provider's usage object; where a stream tells it in parts, the parts put together."""
        self.error: WireError | None = None
        self.ended = False
        """The provider has said that this was all."""
        self.has_content = False
        """The model has said something: text, a tool call, reasoning, a refusal, audio."""
        self.output_size = TextSize()
        """Size of all that was said, tool calls and reasoning too. Counted in streams, and in whole answers where
        `keep_text` is set or the provider told no usage; a whole answer with usage is not read for it."""

    @property
    def usage(self) -> Usage | None:
        """The provider's counts as Tokentrail's vector; None where it told none. Absent counts are None, never 0."""
        return self._usage_of(self.provider_usage) if self.provider_usage and self.billed else None

    @property
    def finish_reasons(self) -> list[str] | None:
        """Why the model stopped, by choice, in the provider's words."""
        return [self._finish_reasons[index] for index in sorted(self._finish_reasons)] or None

    @property
    def output_chars(self) -> int:
        """Characters of all that was said, as far as `output_size` was counted."""
        return self.output_size.chars

    def output_text(self, limit_chars: int = MAX_TEXT_CHARS) -> str:
        """Return the first choice's text as far as it was kept, cut to the limit; empty without `keep_text`."""
        return "".join(self._kept)[:limit_chars]

    def say(self, text: Any, index: int = 0) -> None:
        """Take text of a choice that is meant for the reader."""
        if not isinstance(text, str) or not text:
            return
        self.has_content = True
        self.output_size.add(text)
        if self.keep_text and index == 0 and self._kept_chars < MAX_TEXT_CHARS:
            self._kept.append(text[: MAX_TEXT_CHARS - self._kept_chars])
            self._kept_chars += len(self._kept[-1])

    def mutter(self, text: Any) -> None:
        """Take output that costs tokens and is no prose for the reader: reasoning, arguments of a tool call."""
        if isinstance(text, str) and text:
            self.has_content = True
            self.output_size.add(text)

    def stop(self, reason: Any, index: Any = 0) -> None:
        """Take the reason why a choice ended."""
        place = index if type(index) is int else 0
        if isinstance(reason, str) and reason and (place in self._finish_reasons or not self._full):
            self._finish_reasons[place] = reason

    @property
    def _full(self) -> bool:
        return len(self._finish_reasons) >= _MAX_CHOICES


class AnswerReader(Protocol):
    """Reads one answer, whole or in pieces. Never raises, does no I/O; for one thread at a time."""

    facts: AnswerFacts

    def read_headers(self, headers: Mapping[bytes, bytes]) -> None:
        """Take the answer's headers, names in lower case; only Bedrock says anything there."""

    def read_answer(self, body: bytes) -> None:
        """Take a whole body, of a success or of an error; what is no JSON tells nothing."""

    def read_chunk(self, payload: bytes) -> bool:
        """Take one payload that a framer cut out of a stream; True if the model said something in it."""


class SilentHeaders:
    """What most `AnswerReader`s have in common: headers say nothing that is not in the body."""

    def read_headers(self, headers: Mapping[bytes, bytes]) -> None:
        """Take nothing."""


class WireFormat(Protocol):
    """One provider API's way of saying things. Pure; no method raises, whatever it is given."""

    def operation(self, endpoint: str) -> str | None:
        """Return what a path (no query) asks for, in OpenTelemetry's names where it has one; None if unknown."""

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields from its path and body."""

    def request_text(self, body: bytes, limit_chars: int | None) -> str:
        """Return the prompt: its texts joined by newlines, images and audio left out, cut to the limit.

        Decodes the whole body: only to be called where the text is wanted.
        """

    def input_size(self, body: bytes) -> TextSize:
        """Return the size of all that the provider counts as input: the prompt, and the tools' definitions.

        Decodes the whole body: only to be called where an answer came without usage.
        """

    def reader(self, operation: str | None, *, keep_text: bool = False) -> AnswerReader:
        """Return a fresh reader for an answer to that operation; `keep_text` keeps up to 20,000 characters of text."""
