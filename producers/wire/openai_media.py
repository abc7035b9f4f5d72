"""OpenAI's other endpoints: embeddings, images, audio, moderation, files and batches.

Types: openai-python `types/images_response.py`, `types/audio/`, `types/create_embedding_response.py`, `types/batch.py`.
"""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import LenientDecoder, text_of
from tokentrail.producers.wire.errors import error_beside, error_of
from tokentrail.producers.wire.estimates import TextSize
from tokentrail.producers.wire.openai_request import read_openai_request
from tokentrail.producers.wire.openai_usage import usage_of
from tokentrail.producers.wire.prompts import input_size, request_text
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders

_ENDINGS: Final = (
    ("/embeddings", "embeddings"),
    ("/images/generations", "image_generation"),
    ("/images/edits", "image_edit"),
    ("/images/variations", "image_variation"),
    ("/audio/transcriptions", "transcription"),
    ("/audio/translations", "translation"),
    ("/audio/speech", "speech"),
    ("/moderations", "moderation"),
    ("/rerank", "rerank"),
    ("/decisions", "decision"),
    ("/classifications", "classify"),
    ("/ocr", "ocr"),
    ("/videos", "video_generation"),
    ("/conversations", "conversations"),
    ("/batches", "create_batch"),
    ("/files", "files"),
    ("/models", "list_models"),
)
_INSIDE: Final = (
    ("/conversations/", "conversations"),  # Mistral's: a conversation is continued at its own path
    ("/batches/", "retrieve_batch"),
    ("/files/", "files"),
    ("/models/", "list_models"),
    ("/videos/", "retrieve_video"),
)
_FREE: Final = frozenset(("create_batch", "retrieve_batch", "files", "list_models", "retrieve_video"))


class _Answer(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None
    object: Any = None
    type: Any = None
    message: Any = None
    detail: Any = None
    code: Any = None
    text: Any = None
    delta: Any = None
    content: Any = None


_answer_of: Final = LenientDecoder(_Answer)


class OpenAIMedia:
    """Everything of OpenAI's that is neither chat nor responses; a `WireFormat`."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation."""
        path = endpoint.rstrip("/")
        for ending, operation in _ENDINGS:
            if path.endswith(ending):
                return operation
        return next((operation for part, operation in _INSIDE if part in path), None)

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields; uploads of audio and images are forms."""
        return read_openai_request(endpoint, body)

    def request_text(self, body: bytes, limit_chars: int | None) -> str:
        """Return the prompt's texts."""
        return request_text(body, limit_chars)

    def input_size(self, body: bytes) -> TextSize:
        """Return the size of the input's texts."""
        return input_size(body)

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "OpenAIMediaReader":
        """Return a fresh reader."""
        return OpenAIMediaReader(billed=operation not in _FREE, keep_text=keep_text)


class OpenAIMediaReader(SilentHeaders):
    """Reads an answer or a stream (of images, transcripts, speech); an `AnswerReader`.

    Vectors, images and audio are skipped unread. A batch's own usage is kept as `provider_usage` and counted nowhere:
    it is told again with every fetch.
    """

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body; audio and subtitles are no JSON and tell nothing."""
        answer = _answer_of(body)
        if answer is None:
            return
        facts = self.facts
        facts.ended = True
        facts.model = text_of(answer.model) or facts.model
        facts.provider_request_id = text_of(answer.id) or facts.provider_request_id
        facts.service_tier = text_of(answer.service_tier) or facts.service_tier
        self._take_usage(answer)
        if answer.error is not None:
            facts.error = error_of(answer.error, answer.code)
        elif answer.usage is None and answer.model is None:
            facts.error = error_beside(answer.message, answer.type, answer.code, answer.detail)
        facts.say(answer.text)

    def read_chunk(self, payload: bytes) -> bool:
        """Take one event."""
        facts = self.facts
        if payload.startswith(b"[DONE]"):
            facts.ended = True
            return False
        event = _answer_of(payload)
        if event is None:
            return False
        self._take_usage(event)
        facts.model = text_of(event.model) or facts.model
        kind = event.type if isinstance(event.type, str) else ""
        if event.error:
            facts.error = error_of(event.error, event.code)
        elif kind == "error":
            facts.error = error_beside(event.message, kind, event.code, None)
        elif kind.endswith((".completed", ".done")):
            facts.ended = True
            facts.has_content = True
        elif kind.endswith((".delta", ".partial_image")):
            facts.say(event.delta if kind == "transcript.text.delta" else event.content)
            facts.has_content = True
            return True
        return False

    def _take_usage(self, answer: _Answer) -> None:
        if isinstance(answer.usage, dict) and answer.usage:
            self.facts.provider_usage = answer.usage
