"""Runs a function of any kind with something in force while its own code runs, and only then.

A generator shares its caller's context variables: what it sets would be in force in the caller between two items. So
what is to hold inside is put in force for each step and taken back at its end.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, Protocol, TypeVar, cast

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Run(Protocol):
    """One run of a function, from its first step to its end. Nothing here may raise, but `began` to prevent it."""

    @property
    def step(self) -> AbstractContextManager[object]:
        """What is in force while the function's own code runs; entered for every step, one after another."""

    def began(self) -> None:
        """Take note that the first step is about to be made."""

    def yielded(self) -> None:
        """Take note that the generator has given an item."""

    def ended(self, error: BaseException | None) -> None:
        """Take note of the end: GeneratorExit for a generator that was closed early."""


def wrap_function(function: FunctionT, make_run: Callable[[], Run]) -> FunctionT:
    """Return a function of the same kind: plain, coroutine, generator or async generator.

    Arguments, results, items sent and thrown, and exceptions are the function's own.
    """
    for is_kind, wrap in _WRAPS:
        if is_kind(function):
            return cast("FunctionT", wrap(function, make_run))
    return cast("FunctionT", _wrap_plain(function, make_run))


def _wrap_plain(function: Callable[..., Any], make_run: Callable[[], Run]) -> Callable[..., Any]:
    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        run = make_run()
        run.began()
        try:
            with run.step:
                result = function(*args, **kwargs)
        except BaseException as error:
            run.ended(error)
            raise
        run.ended(None)
        return result

    return plain


def _wrap_coroutine(function: Callable[..., Any], make_run: Callable[[], Run]) -> Callable[..., Any]:
    @wraps(function)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        run = make_run()
        run.began()
        try:
            with run.step:
                result = await function(*args, **kwargs)
        except BaseException as error:
            run.ended(error)
            raise
        run.ended(None)
        return result

    return coroutine


def _wrap_generator(function: Callable[..., Any], make_run: Callable[[], Run]) -> Callable[..., Any]:
    @wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from _drive(function(*args, **kwargs), make_run()))

    return generator


def _wrap_async_generator(function: Callable[..., Any], make_run: Callable[[], Run]) -> Callable[..., Any]:
    @wraps(function)
    async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        driven, run = function(*args, **kwargs), make_run()
        run.began()
        resume, value = driven.asend, None
        while True:
            try:
                with run.step:
                    item = await resume(value)
            except StopAsyncIteration:
                run.ended(None)
                return
            except BaseException as error:
                run.ended(error)
                raise
            run.yielded()
            try:
                value = yield item
            except GeneratorExit as leaving:
                await _close_async(driven, run, leaving)
                raise
            except BaseException as thrown:  # noqa: BLE001 - it is the wrapped generator's to handle
                resume, value = driven.athrow, thrown
            else:
                resume = driven.asend

    return async_generator


def _drive(driven: Generator[Any, Any, Any], run: Run) -> Generator[Any, Any, Any]:
    run.began()
    resume: Callable[[Any], Any] = driven.send
    value: Any = None
    while True:
        try:
            with run.step:
                item = resume(value)
        except StopIteration as stop:
            run.ended(None)
            return stop.value
        except BaseException as error:
            run.ended(error)
            raise
        run.yielded()
        try:
            value = yield item
        except GeneratorExit as leaving:
            _close(driven, run, leaving)
            raise
        except BaseException as thrown:  # noqa: BLE001 - it is the wrapped generator's to handle
            resume, value = driven.throw, thrown
        else:
            resume = driven.send


def _close(driven: Generator[Any, Any, Any], run: Run, leaving: GeneratorExit) -> None:
    try:
        with run.step:
            driven.close()
    except BaseException as error:
        run.ended(error)
        raise
    run.ended(leaving)


async def _close_async(driven: AsyncGenerator[Any, Any], run: Run, leaving: GeneratorExit) -> None:
    try:
        with run.step:
            await driven.aclose()
    except BaseException as error:
        run.ended(error)
        raise
    run.ended(leaving)


_WRAPS = (
    (isasyncgenfunction, _wrap_async_generator),
    (iscoroutinefunction, _wrap_coroutine),
    (isgeneratorfunction, _wrap_generator),
)
