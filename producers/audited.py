"""Calls that no transport sees: recorded by hand, with a block or a decorator."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack, overload

import msgspec

from tokentrail.errors import RecordingRefusedError
from tokentrail.producers.call_options import CallOptions, CallScribe, Tokens, check_options, describe_call, secrets_of
from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.exception_facts import describe_exception
from tokentrail.producers.fingerprints import default_fingerprints
from tokentrail.producers.guard import guarded
from tokentrail.producers.http_status import status_of_code
from tokentrail.producers.scrubbing import scrub_part
from tokentrail.producers.stepping import wrap_function
from tokentrail.producers.strictness import refuse
from tokentrail.producers.suppression import recording_here, suppressed
from tokentrail.schemas.events import Status, Usage, UsageSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")
_STARTING: Final = guarded("recording the start of a call")
_NOTING: Final = guarded("noting what a call used")
_ENDING: Final = guarded("recording the end of a call")


class call:  # noqa: N801 - reads as a noun in a sentence: `with tokentrail.call(model=…) as call:`
    """Record the call that is made in this block; takes what `CallOptions` names.

    The status comes from the exception that leaves the block, which goes on untouched, or from `http_status_code`;
    without either it is SUCCESS. Transports inside the block record nothing, and neither does a `call` inside another:
    one call is one record. Recording returns at once, does no I/O and raises nothing; with strict delivery it waits for
    the disk, and raises RecordingRefusedError in place of a call that cannot be recorded.

        with tokentrail.call(provider="acme", model="acme-1", user_id="u-17") as call:
            answer = acme.complete(prompt)
            call.usage(input_tokens=answer.tokens_in, output_tokens=answer.tokens_out)

    What is known of the answer may be set on it until the block is left: `model` (the one that answered),
    `http_status_code`, `provider_request_id`, `service_tier`, `finish_reasons`, `temperature`, `max_tokens`,
    `queue_time_ms`, and entries of `attributes`.

    Raises:
        TypeError: there is no such option.
    """

    _monotonic = staticmethod(time.perf_counter)
    _time_ns = staticmethod(time.time_ns)

    def __init__(self, **options: Unpack[CallOptions]) -> None:
        self.model: str | None = None
        self.http_status_code: int | None = None
        self.provider_request_id: str | None = None
        self.service_tier: str | None = None
        self.finish_reasons: list[str] | None = None
        self.temperature: float | None = None
        self.max_tokens: int | None = None
        self.queue_time_ms: float | None = None
        self.attributes: dict[str, str] = {}
        self._options = check_options(options)
        self._call: Call | None = None
        self._scribe: CallScribe | None = None
        self._secrets = secrets_of(options)
        self._outcome = Outcome(status=Status.SUCCESS)
        self._mark = _Mark(self)
        self._began = 0.0

    def usage(self, *, estimated: bool = False, **tokens: Unpack[Tokens]) -> None:
        """Note tokens, by the names of `tokentrail.schemas.events.Usage`; a later number goes before an earlier one.

        `estimated` says that they were not counted by the provider.
        """
        with _NOTING:
            known = msgspec.structs.asdict(self._outcome.usage) if self._outcome.usage else {}
            self._outcome.usage = Usage(**{**known, **tokens})
            self._outcome.usage_source = UsageSource.ESTIMATED if estimated else UsageSource.PROVIDER

    def first_token(self) -> None:
        """Note that the first piece of the answer has come; only the first time counts."""
        if self._call is not None and self._outcome.time_to_first_token_ms is None:
            self._outcome.time_to_first_token_ms = self._elapsed_ms()

    def request_hash_of(self, request: bytes) -> None:
        """Record a keyed fingerprint of the request, by which duplicates are found, and not the request."""
        with _NOTING:
            endpoint = self._options.get("endpoint", "").encode()
            self._outcome.request_hash = default_fingerprints().request_hash(endpoint, request)

    def response_hash_of(self, response: bytes) -> None:
        """Record a keyed fingerprint of the answer, and not the answer."""
        with _NOTING:
            content_hash = default_fingerprints().response_hash()
            content_hash.update(response)
            self._outcome.response_hash = content_hash.value()

    def __enter__(self) -> Self:
        self.begin()
        self._mark.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._mark.__exit__(kind, error, traceback)
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def begin(self) -> None:
        """Record the start. For `audited`; a block does this by itself.

        Raises:
            RecordingRefusedError: the delivery is strict, and the start could not be recorded.
        """
        if suppressed():
            return
        self._call = self._scribe = None
        self._outcome = Outcome(status=Status.SUCCESS)
        try:
            described = describe_call(self._options, self._outcome)
            self._scrub(described)
            scribe = self._options.get("scribe") or _default_scribe()
            scribe.started(described, self._time_ns())
            self._call, self._scribe = described, scribe
        except RecordingRefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - a guard would swallow the refusal as well
            _STARTING.note(error)
            strict = False
            with _STARTING:
                strict = _is_strict()
            if strict:
                refuse(None)
        self._began = self._monotonic()

    def end(self, error: BaseException | None) -> None:
        """Record the end. For `audited`; a block does this by itself."""
        described, scribe = self._call, self._scribe
        if described is None or scribe is None:
            return
        self._call = self._scribe = None
        # What is noted from now on, by a task that goes on, is noted on nothing.
        outcome, self._outcome = self._outcome, Outcome(status=Status.SUCCESS)
        with _ENDING:
            outcome.latency_ms = self._elapsed_ms()
            with _NOTING:
                self._conclude(outcome, error)
            self._scrub(outcome)
            scribe.completed(described, outcome, self._time_ns())

    @property
    def recorded(self) -> bool:
        """Whether this object records the call now: not before its start, after its end, or inside another call."""
        return self._call is not None

    def _scrub(self, part: Call | Outcome) -> None:
        """Take out the key: of one that looks like none, nobody behind us could know that it is one."""
        if self._secrets:
            scrub_part(part, self._secrets)

    def _elapsed_ms(self) -> float:
        return (self._monotonic() - self._began) * 1000

    def _conclude(self, outcome: Outcome, error: BaseException | None) -> None:
        if error is not None:
            facts = describe_exception(error, self._secrets)
            outcome.status, outcome.error_type = facts.status, facts.type
            outcome.error_code, outcome.error_message = facts.code, facts.message
            outcome.http_status_code = facts.http_status_code
        elif self.http_status_code is not None:
            outcome.status = status_of_code(self.http_status_code)
        if self.http_status_code is not None:
            outcome.http_status_code = self.http_status_code
        outcome.response_model = self.model
        outcome.provider_request_id = self.provider_request_id
        outcome.service_tier = self.service_tier
        outcome.finish_reasons = self.finish_reasons
        outcome.temperature = self.temperature
        outcome.max_tokens = self.max_tokens
        outcome.queue_time_ms = self.queue_time_ms
        if self.attributes:
            outcome.attributes = {**(outcome.attributes or {}), **self.attributes}


class _Mark:
    """Tells the code inside which call it is part of, and the layers below that it is recorded."""

    def __init__(self, marked: call) -> None:
        self._marked = marked
        self._recording = recording_here(lambda: marked.recorded)
        self._token: Token[call | None] | None = None

    def __enter__(self) -> None:
        # Where the start could not be recorded, or a call around this one is, nothing is taken from anybody.
        if self._marked.recorded and self._token is None:
            self._recording.__enter__()
            self._token = _current.set(self._marked)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        token, self._token = self._token, None
        self._recording.__exit__(kind, error, traceback)
        try:
            _current.reset(token)
        except ValueError:  # left in another task than it was entered in
            return


_current: Final[ContextVar[call | None]] = ContextVar("tokentrail_current_call", default=None)


def current_call() -> call:
    """Return the call that is recorded around here, e.g. by `@tokentrail.audited`.

    Where none is, return one that records nothing: what is noted on it is lost.
    """
    current = _current.get()
    return current if current is not None and current.recorded else call()


class _Run:
    """One run of an audited function."""

    def __init__(self, options: CallOptions) -> None:
        self._call = call(**options)
        self.step = _Mark(self._call)

    def began(self) -> None:
        self._call.begin()

    def yielded(self) -> None:
        self._call.first_token()

    def ended(self, error: BaseException | None) -> None:
        self._call.end(error)


@overload
def audited(function: FunctionT, /) -> FunctionT: ...
@overload
def audited(**options: Unpack[CallOptions]) -> Callable[[FunctionT], FunctionT]: ...
def audited(function: FunctionT | None = None, /, **options: Unpack[CallOptions]) -> Any:
    """Record each run of a function as a call: a plain function, a coroutine, a generator or an async generator.

    Takes what `tokentrail.call` takes; without `endpoint`, the function's own name. `tokentrail.current_call()` is the
    call inside it. A generator's call lasts from its first item, which is also its first token, to its end; one that
    its caller leaves early is ABORTED.

        @tokentrail.audited(provider="acme", model="acme-1")
        async def complete(prompt: str) -> str:
            answer = await acme.complete(prompt)
            tokentrail.current_call().usage(input_tokens=answer.tokens_in, output_tokens=answer.tokens_out)
            return answer.text
    """

    def decorate(wrapped: FunctionT) -> FunctionT:
        check_options(options)
        named: CallOptions = {"endpoint": f"{wrapped.__module__}.{wrapped.__qualname__}"}
        return wrap_function(wrapped, lambda: _Run({**named, **options}))

    return decorate if function is None else decorate(function)


def _default_scribe() -> CallScribe:
    # Late: the trail brings the spool with it, which who has a scribe of his own does not need.
    from tokentrail.producers.trail import default_scribe

    return default_scribe()


def _is_strict() -> bool:
    from tokentrail.producers.trail import is_strict

    return is_strict()
