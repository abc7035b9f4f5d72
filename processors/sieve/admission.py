"""Admission: which entities a sieve has left, and which of a view's rules may fire for each. Pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from tokentrail.processors.views import KeyOf
from tokentrail.schemas.events import CallCompleted

MAX_REMEMBERED: Final = 100_000
"""Codes that are remembered; most request hashes never come again."""


class ViewSurvivors(msgspec.Struct, frozen=True):
    """What is left of one view."""

    every: tuple[str, ...]
    """Rules that may fire for any entity."""
    some: dict[int, tuple[str, ...]]
    """Code of an entity → rules that may fire for it beside those."""
    entities: int | None
    """How many entities the view has, if that is known."""

    def rules_of(self, code: int) -> tuple[str, ...]:
        """Return the rules that may fire for an entity."""
        return self.every + self.some.get(code, ())


Survivors = Mapping[str, ViewSurvivors]
"""By the name of the view."""


def code_of(entity: str) -> int:
    """Return a number for an entity: 64 bits of BLAKE2b, the same in every process, never the same for two in a log."""
    return int.from_bytes(blake2b(entity.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") | 1


def admit_survivors(key_of: KeyOf, left: ViewSurvivors) -> KeyOf:
    """Return the function that gives a call's key as `key_of` does, but None where no rule may fire for it."""
    if left.every:
        return key_of
    known: dict[str | None, str | None] = {None: None, "": None}

    def key_of_survivor(call: CallCompleted) -> str | None:
        key = key_of(call)
        try:
            return known[key]
        except KeyError:
            pass
        if len(known) >= MAX_REMEMBERED:
            known.clear()
        known[key] = admitted = key if key and code_of(key) in left.some else None
        return admitted

    return key_of_survivor


def admit_chains(views: Sequence[ViewSurvivors]) -> Callable[[str], bool] | None:
    """Return the function that says whether a producer's chain is looked at in any of the views; None: all are."""
    if any(view.every for view in views):
        return None

    @lru_cache(MAX_REMEMBERED)
    def is_admitted(producer: str) -> bool:
        code = code_of(producer)
        return any(code in view.some for view in views)

    return is_admitted
