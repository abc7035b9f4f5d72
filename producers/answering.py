"""What an answer says: read piece by piece, concluded as the rest of an `Outcome`. Runs in the scribe's thread."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tokentrail.producers.guard import guarded
from tokentrail.producers.headers import header_dict, header_number, header_text
from tokentrail.producers.http_status import status_of_code, status_of_names
from tokentrail.producers.scrubbing import scrub_text
from tokentrail.producers.wire.framing import MAX_BODY_BYTES, framer_for
from tokentrail.producers.wire.usage import settle_usage
from tokentrail.schemas.events import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokentrail.producers.content import Content
    from tokentrail.producers.describing import Description
    from tokentrail.producers.exchange import Exchange
    from tokentrail.producers.fingerprints import Fingerprints

_READING: Final = guarded("reading an answer")
_MAX_USAGE_BYTES: Final = 8_192
_IDENTITY: Final = (b"", b"identity")
_REFUSED: Final = frozenset((401, 403))
_FIRST_ERROR: Final = 400
_REQUEST_IDS: Final = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id", b"x-goog-request-id")


class AnswerReading:
    """Reads one answer. For one thread at a time; what cannot be read costs its own fields and nothing else."""

    _inflate: Any = None
    _decode_whole: Callable[[bytes, str], bytes] | None = None
    _encoding = ""
    _raw_bytes = 0
    _too_long = False

    def __init__(
        self, exchange: Exchange, description: Description, fingerprints: Fingerprints, content: Content
    ) -> None:
        headers = header_dict(exchange.answer_headers)
        outcome, call, code = description.outcome, description.call, exchange.code
        self._description = description
        self._content = content
        self._began = exchange.began
        self._hash = fingerprints.response_hash()
        self._encoded: list[bytes] = []
        self._expected_bytes = header_number(headers, b"content-length")
        if exchange.retried:
            outcome.retry_count = exchange.retried
        if code is not None:
            outcome.http_status_code = code
            outcome.auth_result = "refused" if code in _REFUSED else "accepted"
        outcome.provider_request_id = header_text(headers, *_REQUEST_IDS)
        self._framer = framer_for(headers.get(b"content-type", b""), call.endpoint or "")
        if not self._framer.whole and call.stream is None:
            call.stream = True
        self._reader = description.wire.reader(call.operation, keep_text=content.wanted)
        encoding = headers.get(b"content-encoding")
        if encoding:
            self._decode(encoding.strip().lower(), exchange)
        with _READING:
            self._reader.read_headers(headers)

    def take(self, pieces: list[bytes], marks: list[float]) -> None:
        """Take the next pieces of the body, and when each of them came."""
        with _READING:
            for data, at in zip(pieces, marks, strict=True):
                self._raw_bytes += len(data)
                if self._decode_whole is not None:
                    self._hold(data)
                else:
                    self._feed(self._inflate.decompress(data) if self._inflate is not None else data, at)

    def conclude(self, exchange: Exchange) -> None:
        """Complete the outcome."""
        outcome, facts = self._description.outcome, self._reader.facts
        outcome.latency_ms = (exchange.ended - self._began) * 1000
        with _READING:
            self._read_rest()
        outcome.status = self._status(exchange)
        with _READING:
            body, wire = exchange.body, self._description.wire
            outcome.provider_usage = _bounded(facts.provider_usage)
            outcome.usage, outcome.usage_source = settle_usage(facts, lambda: wire.input_size(body or b""))
        outcome.response_model = facts.model
        outcome.service_tier = facts.service_tier
        outcome.finish_reasons = facts.finish_reasons
        outcome.provider_request_id = outcome.provider_request_id or facts.provider_request_id
        if self._raw_bytes and not exchange.pieces_lost and not self._too_long:
            outcome.response_hash = self._hash.value()
        if outcome.status is not Status.SUCCESS or facts.error is not None:
            self._conclude_error(exchange)
        if self._content.wanted:
            text = facts.output_text(self._content.limit_chars)
            outcome.response_preview = self._content.preview(text, outcome, self._description.secrets)

    def _decode(self, encoding: bytes, exchange: Exchange) -> None:
        if encoding in _IDENTITY:
            return
        if exchange.decoded:
            self._expected_bytes = None  # it counts what was sent, and we see what that becomes
        elif encoding in (b"gzip", b"x-gzip"):
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        else:  # no incremental decoder of our own: read when it is all there
            self._decode_whole = exchange.decode_whole or _leave_encoded
            self._encoding = encoding.decode("latin-1")

    def _hold(self, data: bytes) -> None:
        self._encoded.append(data)
        if self._raw_bytes > MAX_BODY_BYTES:
            self._encoded.clear()
            self._too_long = True

    def _feed(self, data: bytes, at: float) -> None:
        self._hash.update(data)
        payloads = self._framer.feed(data)
        if payloads and not self._framer.whole:
            self._read(payloads, at)

    def _read(self, payloads: list[bytes], at: float | None) -> None:
        reader, outcome = self._reader, self._description.outcome
        for payload in payloads:
            if reader.read_chunk(payload) and outcome.time_to_first_token_ms is None and at is not None:
                outcome.time_to_first_token_ms = (at - self._began) * 1000

    def _read_rest(self) -> None:
        if self._decode_whole is not None and self._encoded and not self._too_long:
            body = self._decode_whole(b"".join(self._encoded), self._encoding)
            self._hash.update(body)
            self._read_payloads(self._framer.feed(body))
        self._read_payloads(self._framer.close())

    def _read_payloads(self, payloads: list[bytes]) -> None:
        if not self._framer.whole:
            self._read(payloads, None)
            return
        for payload in payloads:
            self._reader.read_answer(payload)

    def _conclude_error(self, exchange: Exchange) -> None:
        error, outcome = self._reader.facts.error, self._description.outcome
        secrets = self._description.secrets
        if error is not None and outcome.status is not Status.ABORTED:
            outcome.error_type, outcome.error_code = error.type, error.code
            outcome.error_message = (error.message and scrub_text(error.message, secrets)) or None
        elif exchange.error_names and outcome.status is not Status.SUCCESS:
            outcome.error_type = exchange.error_names[0]
            outcome.error_message = scrub_text(exchange.error_text, secrets) or None

    def _status(self, exchange: Exchange) -> Status:
        code, facts = exchange.code, self._reader.facts
        by_code = Status.SUCCESS if code is None else status_of_code(code)
        if by_code is not Status.SUCCESS:
            return by_code
        if facts.error is not None:
            return facts.error.status
        failed = "Exception" in exchange.error_names
        complete = exchange.complete or (self._expected_bytes is not None and self._raw_bytes >= self._expected_bytes)
        # A client may leave a stream after its last event, without reading on to the end of the body.
        if code is not None and ((complete and not failed) or (facts.ended and not failed)):
            return Status.SUCCESS
        return status_of_names(exchange.error_names) if exchange.error_names else Status.ABORTED


def _leave_encoded(body: bytes, _encoding: str) -> bytes:
    return body


def _bounded(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    if usage is None or len(msgspec.json.encode(usage)) > _MAX_USAGE_BYTES:
        return None
    return usage
