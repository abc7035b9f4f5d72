"""Who is behind the calls made here: labels and attributes that follow a thread or an async task."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

from tokentrail.producers.guard import guarded
from tokentrail.producers.label_defaults import LABELS, TEAM_ATTRIBUTE, default_attributes, default_labels
from tokentrail.producers.otel import active_span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_READING_SPAN: Final = guarded("reading the active span")
_SETTING: Final = guarded("setting labels")
FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")


class _State(NamedTuple):
    """What is in force; a new one is made for every change, so that whoever holds one sees no change."""

    labels: dict[str, str]
    attributes: dict[str, str] | None


_state: Final[ContextVar[_State | None]] = ContextVar("tokentrail_context", default=None)
_with_span: tuple[dict[str, str], str, str, dict[str, str]] = ({}, "", "", {})
"""The last labels, trace and span id that were merged, and the result: calls of one span follow each other."""


class context:  # noqa: N801 - reads as a verb: `with tokentrail.context(user_id=…)`
    """Label every call recorded in this block, in this thread or async task and the tasks it starts.

    Blocks nest; the inner one wins, name by name, and None leaves the outer label as it is. `attributes` are merged
    with the outer ones in the same way; `team` is one of them. Values that are no text are recorded as `str()` has
    them. A block costs a few microseconds, waits for nothing and raises nothing of its own.

        with tokentrail.context(user_id="u-17", department="support", attributes={"tenant": "acme"}):
            client.chat.completions.create(...)

    As a decorator it labels the calls made in a function, a coroutine, or a generator of either kind while it runs:

        @tokentrail.context(feature="summaries")
        async def summarize(text: str) -> str: ...
    """

    __slots__ = ("_attributes", "_given", "_tokens")

    def __init__(  # noqa: PLR0913 - one argument a label
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        department: str | None = None,
        team: str | None = None,
        feature: str | None = None,
        request_source: str | None = None,
        ip_address: str | None = None,
        user_agent: str | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        given = (
            user_id, session_id, department, feature, request_source, ip_address, user_agent, trace_id, span_id,
        )  # fmt: skip
        self._given: dict[str, str] = {}
        self._attributes: dict[str, str] | None = None
        self._tokens: list[Token[_State | None]] = []
        try:
            for name, value in zip(LABELS, given):  # noqa: B905 - `strict` costs more than all the rest
                if value is not None:
                    self._given[name] = value if type(value) is str else str(value)
            if team is not None or attributes:
                self._attributes = _merge_team(attributes, team)
        except Exception:
            with _SETTING:
                raise

    def __enter__(self) -> Self:
        outer = _state.get() or _default_state()
        attributes = outer.attributes
        if self._attributes:
            attributes = {**attributes, **self._attributes} if attributes else self._attributes
        self._tokens.append(_state.set(_State({**outer.labels, **self._given}, attributes)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            _state.reset(self._tokens.pop())
        except (ValueError, IndexError):  # left in another task than it was entered in: there is nothing to undo here
            return

    def __call__(self, function: FunctionT) -> FunctionT:
        """Return the function with these labels in force while it runs."""
        from tokentrail.producers.stepping import wrap_function

        return wrap_function(function, lambda: _Block(self._again()))

    def _again(self) -> context:
        """Return a block of its own with the same labels: one object must not be entered by two threads at once."""
        return context(**self._given, attributes=self._attributes)


class _Block:
    """One run of a labelled function."""

    def __init__(self, block: context) -> None:
        self.step = block

    def began(self) -> None:
        """Need nothing."""

    def yielded(self) -> None:
        """Need nothing."""

    def ended(self, error: BaseException | None) -> None:
        """Need nothing."""


def current_labels() -> dict[str, str]:
    """Return the labels in force here, with those of the environment and the active span; not to be changed.

    An active OpenTelemetry span gives trace and span id; where the trace is named in `context`, only the span of that
    same trace does. Costs 0.2 µs, with an active span 1.5. Does not raise.
    """
    labels = (_state.get() or _default_state()).labels
    try:
        span = active_span()
    except Exception:  # a guard entered for each call would cost as much as all the rest
        with _READING_SPAN:
            raise
        return labels
    return labels if span is None else _merge_span(labels, *span)


def current_attributes() -> dict[str, str] | None:
    """Return the attributes in force here, with those of the environment; not to be changed. None: there are none."""
    return (_state.get() or _default_state()).attributes


def _merge_span(labels: dict[str, str], trace_id: str, span_id: str) -> dict[str, str]:
    global _with_span  # noqa: PLW0603 - one tuple, replaced whole: threads see the old or the new one
    last = _with_span
    if last[0] is labels and last[1] == trace_id and last[2] == span_id:
        return last[3]
    if labels.get("trace_id", trace_id) != trace_id:
        return labels
    merged = {"span_id": span_id, **labels, "trace_id": trace_id}
    _with_span = (labels, trace_id, span_id, merged)
    return merged


def _default_state() -> _State:
    global _defaults  # noqa: PLW0603 - read once; two threads that read at once read the same
    if _defaults is None:
        _defaults = _State(default_labels(), default_attributes())
    return _defaults


_defaults: _State | None = None


def _merge_team(attributes: Mapping[str, str] | None, team: str | None) -> dict[str, str]:
    merged = {str(name): str(value) for name, value in (attributes or {}).items()}
    if team is not None:
        merged[TEAM_ATTRIBUTE] = str(team)
    return merged
