"""A method of somebody else's class that is replaced, and can be put back."""

from collections.abc import Callable
from typing import Any

import msgspec


class Patch(msgspec.Struct, frozen=True):
    """One replaced method."""

    owner: type[Any]
    name: str
    original: Callable[..., Any]
    replacement: Callable[..., Any]

    def undo(self) -> None:
        """Put the original back, unless somebody else has replaced ours since: then ours stays below theirs."""
        if self.owner.__dict__.get(self.name) is self.replacement:
            setattr(self.owner, self.name, self.original)


def patch_method(owner: type[Any], name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Patch:
    """Replace a method by what `wrap` makes of it.

    Raises:
        AttributeError: the class has no such method; nothing is replaced.
    """
    original = getattr(owner, name)
    replacement = wrap(original)
    setattr(owner, name, replacement)
    return Patch(owner, name, original, replacement)
