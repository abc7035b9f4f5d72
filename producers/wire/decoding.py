"""Reads JSON of strangers into structs: a field of the wrong shape costs itself, never the fields beside it."""

from typing import Any, Final, Generic, TypeVar, cast, get_args, get_origin

import msgspec

StructT = TypeVar("StructT", bound=msgspec.Struct)
MAX_TOKENS: Final = 1_000_000_000
"""The largest count that an event may hold."""
_BROKEN: Final = (ValueError, RecursionError)  # msgspec's, json's and Unicode's errors are all ValueErrors


class LenientDecoder(Generic[StructT]):
    """Decodes a body into a struct whose fields all have defaults. Fields that the struct does not name are skipped."""

    def __init__(self, kind: type[StructT]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode

    def __call__(self, body: bytes) -> StructT | None:
        """Return the struct; None when the body is no JSON object."""
        try:
            return self._decode(body)
        except _BROKEN:
            pass
        value = decode_any(body)
        return salvage(self._kind, value) if isinstance(value, dict) else None


def decode_any(body: bytes) -> Any:
    """Return the body's value; None when it is no JSON.

    Lone surrogates and broken UTF-8 become "?" and U+FFFD: streams cut emoji in half, and a strict decoder would refuse
    everything around them.
    """
    try:
        return msgspec.json.decode(body)
    except _BROKEN:
        pass
    import json

    try:
        return _encodable(json.loads(body.decode("utf-8", "replace")))
    except _BROKEN:
        return None


def salvage(kind: type[StructT], value: dict[str, Any]) -> StructT:
    """Return a struct of those fields of `value` that have the right shape."""
    found = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in value:
            fitting = _fit(field.type, value[field.encode_name])
            if fitting is not None:
                found[field.name] = fitting
    return kind(**found)


def text_of(value: Any) -> str | None:
    """Return a string that says something, else None."""
    return value if isinstance(value, str) and value else None


def number_of(value: Any) -> float | None:
    """Return a number as float, else None; true and false are no numbers."""
    return float(value) if type(value) in (int, float) else None


def tokens_of(given: dict[str, Any], *names: str) -> int | None:
    """Return the first believable token count among the named fields."""
    for name in names:
        value = given.get(name)
        if type(value) is int:
            if 0 <= value <= MAX_TOKENS:
                return value
        elif type(value) is float and value.is_integer() and 0 <= value <= MAX_TOKENS:  # Cohere counts in floats
            return int(value)
    return None


def sum_of(*counts: int | None) -> int | None:
    """Return the sum of those counts that are known; None where none is, or where the sum is past belief."""
    known = [count for count in counts if count is not None]
    total = sum(known)
    return total if known and total <= MAX_TOKENS else None


def dict_of(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the first object among the named fields, else an empty one."""
    for name in names:
        value = given.get(name)
        if isinstance(value, dict):
            return value
    return {}


def list_of(value: Any) -> list[Any]:
    """Return the list, else an empty one."""
    return value if isinstance(value, list) else []


def raw_value(raw: msgspec.Raw) -> Any:
    """Return the value of a part that was left undecoded; None when it was absent."""
    body = bytes(raw)
    return decode_any(body) if body else None


def json_text(value: Any) -> str:
    """Return a value as JSON; empty where it has none (numbers past 64 bits)."""
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, ValueError, RecursionError):
        return ""


def _fit(wanted: Any, value: Any) -> Any:
    if wanted is msgspec.Raw:
        return msgspec.Raw(json_text(value).encode())
    options = get_args(wanted)
    if get_origin(wanted) is list:
        fitting = (_fit(options[0], item) for item in list_of(value))
        return [item for item in fitting if item is not None]
    structs = [one for one in (wanted, *options) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    if structs:
        return salvage(structs[0], value) if isinstance(value, dict) else None
    lists = [one for one in options if get_origin(one) is list]
    if lists:
        return _fit(lists[0], value)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return None


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {cast("str", _encodable(name)): _encodable(item) for name, item in value.items()}
    return value
