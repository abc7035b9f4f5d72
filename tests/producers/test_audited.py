"""Calls recorded by hand: the status comes from how they end, and nothing about them changes for the caller."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext

import pytest

import tokentrail
from tokentrail.errors import RecordingRefusedError
from tokentrail.producers import audited as module
from tokentrail.producers import call_options
from tokentrail.producers.attempts import AttemptNumber, attempt_number
from tokentrail.producers.audited import audited, call, current_call
from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.context import context
from tokentrail.producers.fingerprints import Fingerprints
from tokentrail.producers.suppression import suppressed
from tokentrail.schemas.events import Usage, UsageSource


class Scribe:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.begun: list[Call] = []
        self.ended: list[tuple[Call, Outcome]] = []
        self.times_ns: list[int] = []

    def started(self, call: Call, occurred_at_ns: int) -> None:
        self.begun.append(call)
        self.times_ns.append(occurred_at_ns)

    def completed(self, call: Call, outcome: Outcome, occurred_at_ns: int) -> None:
        self.ended.append((call, outcome))
        self.times_ns.append(occurred_at_ns)

    @property
    def only(self) -> tuple[Call, Outcome]:
        (begun,), (ended,) = self.begun, self.ended
        assert begun is ended[0]
        return ended


@pytest.fixture
def scribe(monkeypatch: pytest.MonkeyPatch) -> Scribe:
    made = Scribe()
    monkeypatch.setattr(module, "_default_scribe", lambda: made)
    for user in (module, call_options):
        monkeypatch.setattr(user, "default_fingerprints", lambda: Fingerprints(b"of the tests"))
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the calls: set its last entry."""
    now = [100.0]
    monkeypatch.setattr(call, "_monotonic", staticmethod(lambda: now[-1]))
    return now


def test_a_call_is_recorded_with_all_that_was_said_of_it(scribe: Scribe, clock: list[float]) -> None:
    with (
        context(user_id="u-0", ip_address="192.0.2.7", attributes={"tenant": "acme"}),
        call(
            endpoint="/v1/complete", model="acme-1", provider="acme", operation="chat", stream=True, user_id="u-1",
            session_id="s-1", department="sales", team="core", feature="chat", request_source="internal",
            api_key="sk-acme-0123456789abcdef",
        ) as recorded,
    ):  # fmt: skip
        clock.append(100.25)
        recorded.first_token()
        clock.append(100.5)
        recorded.first_token()
        recorded.usage(input_tokens=100, output_tokens=20)
        recorded.usage(output_tokens=25, cache_read_tokens=64)
        recorded.model = "acme-1-2026"
        recorded.finish_reasons = ["stop"]
        recorded.provider_request_id = "r-1"
        recorded.service_tier = "batch"
        recorded.temperature, recorded.max_tokens, recorded.queue_time_ms = 0.5, 50, 3.0
        recorded.attributes["region"] = "eu"
        recorded.request_hash_of(b"question")
        recorded.response_hash_of(b"answer")
        assert (len(scribe.begun), len(scribe.ended)) == (1, 0)

    begun, outcome = scribe.only
    assert (begun.endpoint, begun.request_model, begun.provider, begun.operation, begun.stream) == (
        "/v1/complete", "acme-1", "acme", "chat", True,
    )  # fmt: skip
    assert (begun.user_id, begun.session_id, begun.department, begun.feature) == ("u-1", "s-1", "sales", "chat")
    assert (begun.request_source, begun.ip_address) == ("internal", "192.0.2.7")
    assert begun.api_key_hint == "sk-…cdef"
    assert begun.api_key_id is not None
    assert begun.api_key_id.startswith("hmac1:")
    assert (outcome.status, outcome.response_model, outcome.finish_reasons) == ("SUCCESS", "acme-1-2026", ["stop"])
    assert outcome.usage == Usage(input_tokens=100, output_tokens=25, cache_read_tokens=64)
    assert outcome.usage_source == UsageSource.PROVIDER
    assert (outcome.latency_ms, outcome.time_to_first_token_ms, outcome.queue_time_ms) == (500.0, 250.0, 3.0)
    assert (outcome.provider_request_id, outcome.service_tier) == ("r-1", "batch")
    assert (outcome.temperature, outcome.max_tokens) == (0.5, 50)
    assert outcome.attributes == {"tenant": "acme", "team": "core", "region": "eu"}
    assert outcome.request_hash is not None
    assert outcome.response_hash is not None
    assert outcome.request_hash != outcome.response_hash
    assert scribe.times_ns == sorted(scribe.times_ns)


def test_without_a_word_about_usage_it_is_missing(scribe: Scribe) -> None:
    with call():
        pass
    _, outcome = scribe.only
    assert (outcome.usage, outcome.usage_source, outcome.retry_count) == (None, UsageSource.MISSING, None)


def test_estimated_usage_says_so(scribe: Scribe) -> None:
    with call() as recorded:
        recorded.usage(input_tokens=10, estimated=True)
    assert scribe.only[1].usage_source is UsageSource.ESTIMATED


def test_http_status_decides_where_nothing_was_raised(scribe: Scribe) -> None:
    with call() as recorded:
        recorded.http_status_code = 429
    assert (scribe.only[1].status, scribe.only[1].http_status_code) == ("RATE_LIMITED", 429)


def test_exception_goes_on_as_the_same_object_with_its_own_traceback(scribe: Scribe) -> None:
    error = ValueError("no, not with this prompt")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as raised, call():
        fail()

    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][-1] == "fail"
    _, outcome = scribe.only
    assert (outcome.status, outcome.error_type) == ("CLIENT_ERROR", "ValueError")
    assert outcome.error_message is None


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(429), GeneratorExit()])
def test_what_ends_a_program_or_a_task_is_an_aborted_call(scribe: Scribe, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, call():
        raise error
    assert raised.value is error
    assert (scribe.only[1].status, scribe.only[1].http_status_code) == ("ABORTED", None)


async def test_cancelled_task_is_an_aborted_call(scribe: Scribe) -> None:
    entered = asyncio.Event()

    async def ask() -> None:
        async with call(model="acme-1"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(ask())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scribe.only[1].status == "ABORTED"


def test_layers_below_are_told_that_the_call_is_recorded(scribe: Scribe) -> None:
    with call():
        assert suppressed()
    assert not suppressed()
    assert scribe.only


def test_a_call_inside_a_call_is_not_recorded_again(scribe: Scribe) -> None:
    with call(model="outer"), call(model="inner") as inner:
        inner.usage(input_tokens=1)
        assert not inner.recorded
    assert scribe.only[0].request_model == "outer"


def test_attempts_that_somebody_counts_are_told_apart_and_tied_together(scribe: Scribe) -> None:
    for number in range(2):
        token = attempt_number.set(AttemptNumber("one call", number))
        with call():
            pass
        attempt_number.reset(token)
    assert [(begun.logical_call_id, outcome.retry_count) for begun, outcome in scribe.ended] == [
        ("one call", 0),
        ("one call", 1),
    ]
    assert scribe.begun[0].call_id != scribe.begun[1].call_id


def test_two_calls_have_nothing_in_common(scribe: Scribe) -> None:
    for _ in range(2):
        with call():
            pass
    assert len({begun.call_id for begun in scribe.begun} | {begun.logical_call_id for begun in scribe.begun}) == 4


@pytest.mark.parametrize("broken", ["started", "completed"])
def test_a_scribe_that_fails_is_not_noticed(scribe: Scribe, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(scribe, broken, fail)
    with call(model="acme-1") as recorded:
        assert suppressed() == (broken == "completed")
        recorded.usage(input_tokens=1)
    assert not suppressed()


def test_nonsense_does_not_raise(scribe: Scribe) -> None:
    with call(api_key=42, attributes=7) as recorded:  # type: ignore[arg-type] # what callers do
        recorded.usage(tokens=3)  # type: ignore[call-arg] # what callers do
        recorded.request_hash_of("text")  # type: ignore[arg-type] # what callers do
    with call() as recorded:
        recorded.attributes = 5  # type: ignore[assignment] # what callers do
    assert not suppressed()
    assert len(scribe.ended) == 1


def test_audited_function_is_a_call_of_its_own_name(scribe: Scribe) -> None:
    @audited
    def complete(prompt: str) -> str:
        current_call().usage(input_tokens=len(prompt))
        return prompt.upper()

    assert complete("hello") == "HELLO"
    begun, outcome = scribe.only
    assert begun.endpoint is not None
    assert begun.endpoint.endswith("complete")
    assert outcome.usage == Usage(input_tokens=5)


async def test_audited_coroutines_side_by_side_are_two_calls(scribe: Scribe) -> None:
    @audited(model="acme-1", endpoint="/v1")
    async def complete(tokens: int) -> int:
        await asyncio.sleep(0)
        current_call().usage(input_tokens=tokens)
        return tokens

    assert list(await asyncio.gather(complete(1), complete(2))) == [1, 2]
    assert {outcome.usage.input_tokens for _, outcome in scribe.ended if outcome.usage} == {1, 2}
    assert {begun.endpoint for begun in scribe.begun} == {"/v1"}


def test_audited_generator_lasts_to_its_end_and_frees_its_caller_between_items(
    scribe: Scribe, clock: list[float]
) -> None:
    @audited(model="acme-1")
    def pieces() -> Iterator[bool]:
        clock.append(100.25)
        yield suppressed()
        clock.append(100.5)
        yield suppressed()

    for inside in pieces():
        assert (inside, suppressed(), len(scribe.ended)) == (True, False, 0)
    _, outcome = scribe.only
    assert (outcome.status, outcome.time_to_first_token_ms, outcome.latency_ms) == ("SUCCESS", 250.0, 500.0)


def test_audited_generator_that_nobody_iterates_is_no_call(scribe: Scribe) -> None:
    @audited
    def pieces() -> Iterator[int]:
        yield 1

    pieces()
    assert not scribe.begun


def test_audited_generator_left_early_is_aborted(scribe: Scribe) -> None:
    @audited
    def pieces() -> Iterator[int]:
        yield from range(9)

    for piece in pieces():
        if piece:
            break
    assert scribe.only[1].status == "ABORTED"


async def test_audited_async_generator(scribe: Scribe) -> None:
    @audited
    async def pieces() -> AsyncIterator[bool]:
        yield suppressed()
        await asyncio.sleep(0)
        current_call().model = "acme-1"
        raise TimeoutError

    driven = pieces()
    assert (await anext(driven), suppressed()) == (True, False)
    with pytest.raises(TimeoutError):
        await anext(driven)
    assert (scribe.only[1].status, scribe.only[1].response_model) == ("TIMEOUT", "acme-1")


def test_outside_of_any_call_what_is_noted_is_lost(scribe: Scribe) -> None:
    current_call().usage(input_tokens=3)
    current_call().first_token()
    assert not scribe.begun


def test_with_strict_delivery_a_call_that_cannot_be_recorded_is_not_made(
    scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RecordingRefusedError

    monkeypatch.setattr(scribe, "started", refuse)
    made: list[str] = []

    @audited
    def ask() -> None:
        made.append("decorated")

    with pytest.raises(RecordingRefusedError):
        ask()
    with pytest.raises(RecordingRefusedError), call():
        made.append("block")
    assert (made, suppressed()) == ([], False)


@pytest.mark.parametrize("strict", [False, True])
def test_what_else_goes_wrong_at_the_start_prevents_the_call_only_with_strict_delivery(
    scribe: Scribe, monkeypatch: pytest.MonkeyPatch, *, strict: bool
) -> None:
    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(scribe, "started", fail)
    monkeypatch.setattr(module, "_is_strict", lambda: strict)
    made: list[str] = []
    with pytest.raises(RecordingRefusedError) if strict else nullcontext(), call():
        made.append("block")
    assert made == ([] if strict else ["block"])


def test_a_call_entered_twice_at_once_is_one_call(scribe: Scribe) -> None:
    recorded = call(model="acme-1")
    with recorded, recorded:
        pass
    assert scribe.only[0].request_model == "acme-1"
    assert not suppressed()


async def test_a_task_that_outlives_its_call_is_recorded_again(scribe: Scribe) -> None:
    over = asyncio.Event()
    seen: list[bool] = []

    async def go_on() -> None:
        seen.append(suppressed())
        await over.wait()
        current_call().usage(input_tokens=7)
        seen.append(suppressed())

    with call(model="acme-1"):
        task = asyncio.create_task(go_on())
        await asyncio.sleep(0)
        carried = tokentrail.propagate(suppressed)
        assert carried()
    over.set()
    await task
    assert (seen, carried()) == ([True, False], False)
    assert scribe.only[1].usage is None


async def test_a_task_of_an_audited_generator_belongs_to_it_between_two_items_too(scribe: Scribe) -> None:
    seen: list[bool] = []
    asked = asyncio.Event()

    async def beside() -> None:
        await asked.wait()
        seen.append(suppressed())

    @audited
    async def pieces() -> AsyncIterator[asyncio.Task[None]]:
        yield asyncio.create_task(beside())

    driven = pieces()
    task = await anext(driven)
    asked.set()
    await task
    assert (seen, suppressed(), len(scribe.ended)) == ([True], False, 0)


def test_an_option_that_is_none_is_told_at_once() -> None:
    with pytest.raises(TypeError, match="modle"):
        call(modle="acme-1")  # type: ignore[call-arg] # what callers do
    with pytest.raises(TypeError, match="modle"):
        audited(modle="acme-1")(len)  # type: ignore[call-overload] # what callers do
