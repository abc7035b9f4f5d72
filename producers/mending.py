"""Makes an event acceptable to its readers: what they would refuse is cut, replaced or left out; the event goes on."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, TypeVar, get_type_hints

import msgspec
from msgspec.structs import replace

from tokentrail.producers.calls import Call, Outcome, new_id
from tokentrail.producers.stats import ShimStats
from tokentrail.schemas.events import CallCompleted, CallStarted, ProducerStats, Usage

MAX_EVENT_BYTES: Final = 262_144
"""No event of ours is larger; readers accept four times as much."""
TRUNCATED_ATTRIBUTE: Final = "tokentrail.truncated"
"""Attribute of an event that was too large: what it lost."""
_LABEL_CHARS: Final = 500
_TEXT_CHARS: Final = 20_000
_IDENTIFIER_CHARS: Final = 200
_PREVIEW_CHARS: Final = 200
_MESSAGE_CHARS: Final = 1_000
_MAX_ITEMS: Final = 128
_CUT: Final = "…"
PartT = TypeVar("PartT", bound=msgspec.Struct)
_MODELS: Final[dict[type[msgspec.Struct], type[msgspec.Struct]]] = {
    Call: CallStarted,
    Outcome: CallCompleted,
    ShimStats: ProducerStats,
}


def mend(part: PartT) -> PartT:
    """Return the part (call, outcome, usage) with every field within its schema; what cannot be mended is left out."""
    kinds = _kinds_of(type(part))
    return type(part)(**{name: _mend(getattr(part, name), kinds[name], name) for name in part.__struct_fields__})


def shrink(outcome: Outcome) -> Iterator[Outcome]:
    """Yield smaller and smaller copies, giving up the least telling text first."""
    outcome = replace(
        outcome,
        prompt_preview=_cut(outcome.prompt_preview, _PREVIEW_CHARS),
        response_preview=_cut(outcome.response_preview, _PREVIEW_CHARS),
        attributes={**(outcome.attributes or {}), TRUNCATED_ATTRIBUTE: "previews"},
    )
    yield outcome
    outcome = replace(outcome, error_message=_cut(outcome.error_message, _MESSAGE_CHARS))
    yield outcome
    outcome = replace(outcome, attributes={TRUNCATED_ATTRIBUTE: "previews, attributes"}, redactions=None)
    yield outcome
    yield replace(
        outcome,
        attributes={TRUNCATED_ATTRIBUTE: "previews, attributes, provider_usage"},
        provider_usage=None,
    )


def clean(value: object, limit: int) -> str:
    """Return the value as text that can be encoded, at most `limit` characters."""
    return str(value)[:limit].encode("utf-8", "replace").decode()  # lone surrogates have no encoding


@cache
def _kinds_of(part: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(_MODELS.get(part, part), include_extras=True)


def _mend(value: Any, kind: Any, name: str) -> Any:
    for candidate in _candidates(value, name):
        try:
            msgspec.json.encode(candidate)
            return msgspec.convert(candidate, kind)
        except (ValueError, TypeError):  # outside the schema, or no JSON at all
            continue
    return {"status": "CLIENT_ERROR", "call_id": new_id(), "usage_source": "missing"}.get(name)


def _candidates(value: Any, name: str) -> list[Any]:
    if value is None:
        return [None]
    if isinstance(value, Usage):
        return [mend(value)]
    if isinstance(value, dict) and name != "provider_usage":
        return [{clean(key, _LABEL_CHARS): _mend_item(item) for key, item in value.items()}]
    if isinstance(value, (list, tuple)):
        return [[clean(item, _LABEL_CHARS) for item in value[:_MAX_ITEMS]]]
    if name == "call_id":
        return [clean(value, _IDENTIFIER_CHARS)]
    return [value, clean(value, _TEXT_CHARS), clean(value, _LABEL_CHARS)]


def _mend_item(item: Any) -> Any:
    return item if type(item) is int else clean(item, _TEXT_CHARS)


def _cut(text: str | None, limit: int) -> str | None:
    return text if text is None or len(text) <= limit else text[: limit - 1] + _CUT
