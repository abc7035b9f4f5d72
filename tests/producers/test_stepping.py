"""A wrapped function behaves as the function itself; its run is told of start, items and end."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.stepping import wrap_function


class Run:
    def __init__(self) -> None:
        self.step = nullcontext()
        self.told: list[Any] = []

    def began(self) -> None:
        self.told.append("began")

    def yielded(self) -> None:
        self.told.append("yielded")

    def ended(self, error: BaseException | None) -> None:
        self.told.append(error)


def accumulate(limit: int) -> Generator[int, Any, str]:
    """Hand back what was sent, catch ValueError, raise what else is thrown, and end after `limit` items."""
    total = 0
    try:
        for _ in range(limit):
            try:
                sent = yield total
                total += sent or 1
            except ValueError as error:
                total += len(str(error))
    finally:
        total = -1
    return "done"


async def accumulate_async(limit: int) -> AsyncGenerator[int, Any]:
    driven = accumulate(limit)
    step: Callable[[], int] = lambda: next(driven)  # noqa: E731 - reassigned below
    while True:
        try:
            item = step()
        except StopIteration:
            return
        try:
            sent = yield item
            step = lambda sent=sent: driven.send(sent)  # type: ignore[misc] # noqa: E731 - as above
        except ValueError as error:
            step = lambda error=error: driven.throw(error)  # type: ignore[misc] # noqa: E731 - as above


ACTIONS = st.lists(
    st.one_of(
        st.just(("next", None)),
        st.tuples(st.just("send"), st.integers(1, 9)),
        st.tuples(st.just("throw"), st.sampled_from([ValueError("ab"), KeyError("k")])),
        st.just(("close", None)),
    ),
    max_size=8,
)


def play(generator: Generator[int, Any, str], actions: list[tuple[str, Any]]) -> list[Any]:
    seen: list[Any] = []
    for action, value in actions:
        try:
            method = {"next": generator.__next__, "close": generator.close}.get(action)
            seen.append(method() if method else getattr(generator, action)(value))
        except Exception as error:  # noqa: BLE001 - what is compared
            seen.append((type(error), str(error)))
    return seen


async def play_async(generator: AsyncGenerator[int, Any], actions: list[tuple[str, Any]]) -> list[Any]:
    seen: list[Any] = []
    for action, value in actions:
        try:
            method = {"next": generator.__anext__, "close": generator.aclose}.get(action)
            seen.append(await (method() if method else getattr(generator, f"a{action}")(value)))
        except Exception as error:  # noqa: BLE001 - what is compared
            seen.append((type(error), str(error)))
    return seen


@given(st.integers(0, 4), ACTIONS)
def test_wrapped_generator_answers_every_caller_as_the_bare_one(limit: int, actions: list[tuple[str, Any]]) -> None:
    wrapped = wrap_function(accumulate, Run)
    assert play(wrapped(limit), actions) == play(accumulate(limit), actions)


@given(st.integers(0, 4), ACTIONS)
async def test_wrapped_async_generator_answers_every_caller_as_the_bare_one(
    limit: int, actions: list[tuple[str, Any]]
) -> None:
    wrapped = wrap_function(accumulate_async, Run)
    assert await play_async(wrapped(limit), actions) == await play_async(accumulate_async(limit), actions)


def test_kinds_stay_what_they_are() -> None:
    async def coroutine() -> None: ...
    def plain() -> None: ...

    assert inspect.iscoroutinefunction(wrap_function(coroutine, Run))
    assert inspect.isgeneratorfunction(wrap_function(accumulate, Run))
    assert inspect.isasyncgenfunction(wrap_function(accumulate_async, Run))
    wrapped = wrap_function(plain, Run)
    assert not inspect.iscoroutinefunction(wrapped)
    assert not inspect.isgeneratorfunction(wrapped)


def test_run_is_told_of_every_step() -> None:
    run = Run()
    assert list(wrap_function(accumulate, lambda: run)(2)) == [0, 1]
    assert run.told == ["began", "yielded", "yielded", None]


def test_run_is_told_of_a_generator_that_was_closed() -> None:
    run = Run()
    generator = wrap_function(accumulate, lambda: run)(2)
    next(generator)
    generator.close()
    assert isinstance(run.told[-1], GeneratorExit)


async def test_run_is_told_of_an_async_generator_that_was_closed() -> None:
    run = Run()
    generator = wrap_function(accumulate_async, lambda: run)(2)
    await anext(generator)
    await generator.aclose()
    assert isinstance(run.told[-1], GeneratorExit)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), StopIteration("odd")])
def test_exception_of_a_plain_function_is_the_same_object(error: BaseException) -> None:
    run = Run()

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        wrap_function(fail, lambda: run)()
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert run.told == ["began", error]
