"""Labels follow a thread, a task and what they start; the environment gives the rest."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from tokentrail.producers import context as contexts
from tokentrail.producers.context import context, current_attributes, current_labels
from tokentrail.producers.label_defaults import default_attributes, default_labels
from tokentrail.producers.propagation import propagate

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def _no_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "_defaults", None)


@pytest.fixture
def span(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An active span, of an OpenTelemetry that the host has imported."""
    made = SimpleNamespace(trace_id=int(TRACE, 16), span_id=int(SPAN, 16), is_valid=True)
    api = SimpleNamespace(get_current_span=lambda: SimpleNamespace(get_span_context=lambda: made))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", api)
    return made


def test_inner_block_wins_name_by_name_and_leaves_nothing_behind() -> None:
    with context(user_id="u-1", feature="chat"):
        with context(user_id="u-2", feature=None, department="sales"):
            assert current_labels() == {"user_id": "u-2", "feature": "chat", "department": "sales"}
        assert current_labels() == {"user_id": "u-1", "feature": "chat"}
    assert current_labels() == {}


def test_attributes_are_merged_apart_from_the_labels_and_the_team_is_one() -> None:
    assert current_attributes() is None
    with context(attributes={"tenant": "acme", "tier": "gold"}, team="core"):
        with context(attributes={"tier": "free"}):
            assert current_attributes() == {"tenant": "acme", "tier": "free", "team": "core"}
            assert current_labels() == {}
        assert current_attributes() == {"tenant": "acme", "tier": "gold", "team": "core"}


def test_a_block_is_left_with_its_labels_taken_back_when_it_raises() -> None:
    with pytest.raises(KeyError), context(user_id="u-1"):
        raise KeyError
    assert current_labels() == {}


def test_values_that_are_no_text_are_written_as_text_and_bad_ones_harm_nobody() -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError

    with context(user_id=42, attributes={"n": 1}):  # type: ignore[arg-type, dict-item] # what callers do
        assert (current_labels(), current_attributes()) == ({"user_id": "42"}, {"n": "1"})
    with context(user_id=Rude()):  # type: ignore[arg-type] # what callers do
        assert current_labels() == {}


def test_whoever_holds_the_labels_sees_no_later_change() -> None:
    with context(user_id="u-1"):
        held = current_labels()
        with context(user_id="u-2"):
            pass
    assert held == {"user_id": "u-1"}


def test_environment_gives_defaults_and_blocks_go_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENTRAIL_DEPARTMENT", " payments ")
    monkeypatch.setenv("TOKENTRAIL_FEATURE", "")
    monkeypatch.setenv("TOKENTRAIL_TEAM", "core")

    assert (current_labels(), current_attributes()) == ({"department": "payments"}, {"team": "core"})
    with context(department="sales", attributes={"tenant": "acme"}):
        assert current_labels() == {"department": "sales"}
        assert current_attributes() == {"team": "core", "tenant": "acme"}


def test_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_labels() == {}
    monkeypatch.setenv("TOKENTRAIL_DEPARTMENT", "payments")
    assert current_labels() == {}


def test_attributes_of_the_environment_are_pairs_and_the_rest_is_left_out() -> None:
    environ = {"TOKENTRAIL_ATTRIBUTES": "tenant=acme, region = eu%2Cwest ,junk,=x,empty="}
    assert default_attributes(environ) == {"tenant": "acme", "region": "eu,west", "empty": ""}
    assert default_attributes({}) is None
    assert default_labels({"TOKENTRAIL_USER_ID": "batch", "TOKENTRAIL_REQUEST_SOURCE": "internal"}) == {
        "user_id": "batch",
        "request_source": "internal",
    }


def test_active_span_gives_trace_and_span_id(span: Any) -> None:
    with context(user_id="u-1"):
        assert current_labels() == {"user_id": "u-1", "trace_id": TRACE, "span_id": SPAN}
        span.is_valid = False
        assert contexts._state.get() is not None


def test_another_span_is_seen_at_once(monkeypatch: pytest.MonkeyPatch, span: Any) -> None:
    assert current_labels()["span_id"] == SPAN
    other = SimpleNamespace(trace_id=span.trace_id, span_id=1, is_valid=True)
    api = SimpleNamespace(get_current_span=lambda: SimpleNamespace(get_span_context=lambda: other))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", api)
    assert current_labels()["span_id"] == "0000000000000001"


def test_no_span_is_active(monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = SimpleNamespace(trace_id=0, span_id=0, is_valid=False)
    api = SimpleNamespace(get_current_span=lambda: SimpleNamespace(get_span_context=lambda: invalid))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", api)
    assert current_labels() == {}


@pytest.mark.usefixtures("span")
def test_a_trace_that_was_named_goes_before_the_span() -> None:
    with context(trace_id="mine"):
        assert current_labels() == {"trace_id": "mine"}
    with context(trace_id=TRACE):
        assert current_labels() == {"trace_id": TRACE, "span_id": SPAN}
    with context(trace_id=TRACE, span_id="s"):
        assert current_labels() == {"trace_id": TRACE, "span_id": "s"}


def test_an_opentelemetry_that_fails_costs_the_ids_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", SimpleNamespace())
    with context(user_id="u-1"):
        assert current_labels() == {"user_id": "u-1"}


def test_opentelemetry_is_never_imported_by_us() -> None:
    program = (
        "import sys, tokentrail; from tokentrail.producers.context import current_labels\n"
        "with tokentrail.context(user_id='u-1'): print(current_labels(), 'opentelemetry' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "{'user_id': 'u-1'} False\n"


def test_ids_are_those_of_opentelemetry_itself() -> None:
    trace = pytest.importorskip("opentelemetry.trace")
    parent = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True)
    with trace.use_span(trace.NonRecordingSpan(parent)):
        assert current_labels() == {"trace_id": TRACE, "span_id": SPAN}
    assert current_labels() == {}


async def test_tasks_and_to_thread_start_with_the_labels_and_keep_their_own_to_themselves() -> None:
    async def ask(user: str) -> dict[str, str]:
        with context(user_id=user):
            await asyncio.sleep(0)
            return await asyncio.to_thread(current_labels)

    with context(department="sales"):
        asked = await asyncio.gather(asyncio.create_task(ask("u-1")), ask("u-2"))
        assert list(asked) == [{"department": "sales", "user_id": "u-1"}, {"department": "sales", "user_id": "u-2"}]
        assert current_labels() == {"department": "sales"}


def test_threads_start_without_labels_unless_they_are_carried_over() -> None:
    with ThreadPoolExecutor(4) as executor, context(user_id="u-1"):
        assert executor.submit(current_labels).result() == {}
        assert executor.submit(propagate(current_labels)).result() == {"user_id": "u-1"}


def test_one_carried_function_serves_many_threads_at_once() -> None:
    together = threading.Barrier(3)

    def ask(number: int) -> dict[str, str]:
        together.wait(5)
        with context(feature=str(number)):
            return current_labels()

    with ThreadPoolExecutor(3) as executor, context(user_id="u-1"):
        asked = list(executor.map(propagate(ask), range(3)))
    assert asked == [{"user_id": "u-1", "feature": str(number)} for number in range(3)]


def test_decorated_function_is_labelled_while_it_runs() -> None:
    @context(feature="summary")
    def ask(user: str) -> dict[str, str]:
        with context(user_id=user):
            return current_labels()

    assert ask("u-1") == {"feature": "summary", "user_id": "u-1"}
    assert (ask.__name__, current_labels()) == ("ask", {})


async def test_decorated_coroutines_run_side_by_side() -> None:
    @context(feature="summary", attributes={"a": "1"})
    async def ask() -> tuple[dict[str, str], dict[str, str] | None]:
        await asyncio.sleep(0)
        return current_labels(), current_attributes()

    assert list(await asyncio.gather(ask(), ask())) == [({"feature": "summary"}, {"a": "1"})] * 2
    assert current_labels() == {}


def test_decorated_generator_is_labelled_only_in_its_own_steps() -> None:
    @context(feature="summary")
    def pieces() -> Iterator[dict[str, str]]:
        yield current_labels()
        yield current_labels()

    for seen in pieces():
        assert seen == {"feature": "summary"}
        assert current_labels() == {}


async def test_decorated_async_generator_is_labelled_only_in_its_own_steps() -> None:
    @context(feature="summary")
    async def pieces() -> AsyncIterator[dict[str, str]]:
        yield current_labels()
        await asyncio.sleep(0)
        yield current_labels()

    async for seen in pieces():
        assert seen == {"feature": "summary"}
        assert current_labels() == {}


async def test_a_block_left_in_another_task_does_not_raise() -> None:
    async def held() -> AsyncIterator[None]:
        with context(user_id="u-1"):
            yield

    generator = held()
    await asyncio.create_task(anext(generator))  # type: ignore[arg-type] # an awaitable of a generator is a coroutine
    await generator.aclose()  # type: ignore[attr-defined] # it is a generator
    assert current_labels() == {}
