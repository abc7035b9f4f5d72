"""Retries as a transport: for clients whose SDK has none, or is told to leave them to us."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, TypeVar, cast

import msgspec
from msgspec import Meta

from tokentrail.errors import SettingsError
from tokentrail.producers.attempts import AttemptNumber, attempt_number
from tokentrail.producers.calls import new_id
from tokentrail.producers.http_status import status_of_code, status_of_exception
from tokentrail.schemas.events import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import tenacity

TransportT = TypeVar("TransportT")
_PASSING_ANSWERS: Final = frozenset((Status.RATE_LIMITED, Status.TIMEOUT, Status.SERVER_ERROR))
_PASSING_ERRORS: Final = frozenset((Status.TIMEOUT, Status.CONNECTION_ERROR))
_LASTING_CODES: Final = frozenset((501, 505))
"""Server errors that the next attempt would meet as well."""
_MAX_DRAINED_BYTES: Final = 65_536
"""A longer answer is not read to its end for the sake of its connection."""


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """When to try again, and how long to wait: `first_wait_s`, doubled each time up to `max_wait_s`, plus jitter.

    A server's Retry-After goes before that. One that asks for more than `max_retry_after_s` gets no further attempt:
    its answer is the caller's.
    """

    max_retries: Annotated[int, Meta(ge=0, le=20)] = 2
    first_wait_s: Annotated[float, Meta(gt=0)] = 0.5
    max_wait_s: Annotated[float, Meta(gt=0)] = 8.0
    max_retry_after_s: Annotated[float, Meta(ge=0)] = 60.0

    def repeats_answer(self, code: int, headers: Mapping[str, str], now: datetime) -> bool:
        """Return whether an answer is worth another attempt: 408, 429 and server errors are; 401 and 403 never.

        A server that says `x-should-retry: false` (OpenAI and Anthropic do) is believed.
        """
        if status_of_code(code) not in _PASSING_ANSWERS or code in _LASTING_CODES:
            return False
        if headers.get("x-should-retry", "").strip().lower() == "false":
            return False
        return (retry_after_s(headers, now) or 0.0) <= self.max_retry_after_s

    def repeats_error(self, error: BaseException) -> bool:
        """Return whether an exception is worth another attempt: timeouts and connection errors are."""
        return isinstance(error, Exception) and status_of_exception(error) in _PASSING_ERRORS


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how long the server asks to wait; None where it does not, or not in a way that can be read.

    Reads `retry-after-ms` (Azure and OpenAI), and `retry-after` in seconds or as an HTTP date (RFC 9110, 10.2.3).
    """
    with suppress(ValueError):
        return _positive(float(headers.get("retry-after-ms", "")) / 1000)
    value = headers.get("retry-after", "")
    with suppress(ValueError):
        return _positive(float(value))
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        moment = parsedate_to_datetime(value)
        return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())
    return None


def retrying(transport: TransportT, retries: Retries | int) -> TransportT:
    """Return the transport (of httpx2 or httpx, either kind) with retries above it.

    It belongs above the recording transport, so that each attempt is an event with its `retry_count` and all share a
    `logical_call_id`. Set the SDK's own retries to 0. A request is sent again only if its body is at hand; one whose
    body is streamed is sent once. An LLM call is no idempotent request: after a timeout, the provider may have answered
    and billed an attempt whose answer never came, and the next one is billed too.

    Raises:
        SettingsError: tenacity is not installed.
        ValueError: a number is out of range.
    """
    chosen = Retries(max_retries=retries) if isinstance(retries, int) else retries
    try:
        chosen = msgspec.convert(msgspec.to_builtins(chosen), Retries)
    except msgspec.ValidationError as error:
        raise ValueError(f"These retries cannot be made: {error}.") from error
    if not chosen.max_retries:
        return transport
    try:
        import tenacity
    except ModuleNotFoundError as error:
        raise SettingsError(
            "Retries need tenacity, which is not installed: pip install 'tokentrail[retry]'."
        ) from error
    return cast("TransportT", RetryingTransport(transport, chosen, tenacity))


class RetryingTransport:
    """A transport that tries again. Synchronous or asynchronous, whichever the wrapped one is.

    The last attempt's answer or exception is the caller's, unchanged.
    """

    def __init__(self, wrapped: Any, retries: Retries, library: Any) -> None:
        self._wrapped = wrapped
        self._retries = retries
        self._library = library
        # Waits of many clients that failed together are spread by the second part.
        self._backoff: Callable[[tenacity.RetryCallState], float] = library.wait_exponential(
            multiplier=retries.first_wait_s, max=retries.max_wait_s
        ) + library.wait_random(0, retries.first_wait_s)
        self._sleeps: dict[str, Any] = {}
        self._now: Callable[[], datetime] = lambda: datetime.fromtimestamp(time.time(), UTC)

    def __getattr__(self, name: str) -> Any:
        if name == "_wrapped":  # asked for before __init__, by copy or pickle
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def handle_request(self, request: Any) -> Any:
        """Send the request until an attempt is final; waits in between."""
        if not _is_at_hand(request):
            return self._wrapped.handle_request(request)
        attempts = _Attempts()

        def attempt() -> Any:
            if attempts.first is not None:
                return attempts.take_first()
            token = attempt_number.set(attempts.next())
            try:
                return self._wrapped.handle_request(request)
            finally:
                attempt_number.reset(token)

        try:
            attempts.first = attempt()
            if not self._repeats_answer(attempts.first):
                return attempts.first
        except BaseException as error:
            if not self._retries.repeats_error(error):
                raise
            attempts.first = error
        return self._library.Retrying(before_sleep=_discard, **self._rules())(attempt)

    async def handle_async_request(self, request: Any) -> Any:
        """As `handle_request`, awaited."""
        if not _is_at_hand(request):
            return await self._wrapped.handle_async_request(request)
        attempts = _Attempts()

        async def attempt() -> Any:
            if attempts.first is not None:
                return attempts.take_first()
            token = attempt_number.set(attempts.next())
            try:
                return await self._wrapped.handle_async_request(request)
            finally:
                attempt_number.reset(token)

        try:
            attempts.first = await attempt()
            if not self._repeats_answer(attempts.first):
                return attempts.first
        except BaseException as error:
            if not self._retries.repeats_error(error):
                raise
            attempts.first = error
        return await self._library.AsyncRetrying(before_sleep=_discard_async, **self._rules())(attempt)

    def _rules(self) -> dict[str, Any]:
        # For each call anew: one AsyncRetrying keeps the state of one call at a time.
        return {
            "retry": self._repeats,
            "wait": self._wait_s,
            "stop": self._library.stop_after_attempt(self._retries.max_retries + 1),
            "retry_error_callback": _result_of,
            **self._sleeps,
        }

    def _repeats(self, state: tenacity.RetryCallState) -> bool:
        outcome = state.outcome
        if outcome is None:
            return False
        error = outcome.exception()
        if error is not None:
            return self._retries.repeats_error(error)
        return self._repeats_answer(outcome.result())

    def _repeats_answer(self, response: Any) -> bool:
        return self._retries.repeats_answer(response.status_code, response.headers, self._now())

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        outcome = state.outcome
        asked = None
        if outcome is not None and not outcome.failed:
            asked = retry_after_s(outcome.result().headers, self._now())
        if asked is None:
            return self._backoff(state)
        return asked + cast("float", self._library.wait_random(0, self._retries.first_wait_s)(state))

    def __enter__(self) -> Self:
        self._wrapped.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wrapped.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Self:
        await self._wrapped.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._wrapped.__aexit__(kind, error, traceback)


class _Attempts:
    """Counts the attempts of one call; inside attempts that somebody above counts, goes on from there.

    `first` is the first attempt's answer or exception, made before the library is asked: most calls need no more, and
    its bookkeeping takes 50 µs.
    """

    def __init__(self) -> None:
        self.first: Any = None
        above = attempt_number.get()
        self._logical_call_id = above.logical_call_id if above else new_id()
        self._next = above.retry_count if above else 0

    def next(self) -> AttemptNumber:
        number = AttemptNumber(self._logical_call_id, self._next)
        self._next += 1
        return number

    def take_first(self) -> Any:
        """Return the first answer, or raise the first exception, once more."""
        first, self.first = self.first, None
        if isinstance(first, BaseException):
            raise first
        return first


def _is_at_hand(request: Any) -> bool:
    """Return whether the body can be sent twice: httpx keeps it in this attribute when it is no stream."""
    return hasattr(request, "_content")


def _result_of(state: tenacity.RetryCallState) -> Any:
    """Return the last answer, or raise the last exception."""
    return state.outcome.result() if state.outcome else None


def _discard(state: tenacity.RetryCallState) -> None:
    """Read an answer that nobody will see, so that its error is recorded and its connection can be used again."""
    response = _answer_of(state)
    if response is None:
        return
    with suppress(Exception):
        seen_bytes = 0
        for piece in response.iter_raw():
            seen_bytes += len(piece)
            if seen_bytes > _MAX_DRAINED_BYTES:
                break
    response.close()


async def _discard_async(state: tenacity.RetryCallState) -> None:
    response = _answer_of(state)
    if response is None:
        return
    with suppress(Exception):
        async with aclosing(response.aiter_raw()) as pieces:
            seen_bytes = 0
            async for piece in pieces:
                seen_bytes += len(piece)
                if seen_bytes > _MAX_DRAINED_BYTES:
                    break
    await response.aclose()


def _answer_of(state: tenacity.RetryCallState) -> Any:
    return state.outcome.result() if state.outcome and not state.outcome.failed else None


def _positive(seconds: float) -> float | None:
    return seconds if 0 <= seconds < float("inf") else None
