"""Patterns of the user's own: checked when they are given, found beside the built-in kinds."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tokentrail.errors import SettingsError
from tokentrail.producers.redaction.engine import compiled
from tokentrail.producers.redaction.finder import placeholders
from tokentrail.producers.redaction.kinds import KINDS, Finding

_SAMPLE: Final = b" a.1 "
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


def own_finder(extra: Mapping[str, str]) -> Callable[[bytes], list[Finding]]:
    """Return a function that finds the patterns in a text in UTF-8, the first given going before the next.

    Raises SettingsError naming the pattern that has a bad name, that RE2 cannot read, or that matches empty text.
    """
    skip = placeholders((*KINDS, *extra))
    patterns = [(name, _checked(name, pattern, skip)) for name, pattern in extra.items()]

    def find(encoded: bytes) -> list[Finding]:
        return [
            Finding(match.start(), match.end(), name)
            for name, pattern in patterns
            for match in pattern.finditer(encoded)
            if not _is_placeholder(match[0], extra)
        ]

    return find


def _checked(name: str, pattern: str, skip: str) -> Any:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"The redaction pattern named {name!r}: a name is lower-case letters, digits and underscores, at most 40."
        )
    try:
        alone = compiled(pattern)
        matches_nothing = any(match.start() == match.end() for match in alone.finditer(_SAMPLE))
    except ImportError:
        raise
    except Exception as error:
        raise SettingsError(f"The redaction pattern {name!r} is none that RE2 can read: {error}. Mend it.") from error
    if matches_nothing:
        raise SettingsError(
            f"The redaction pattern {name!r} matches empty text. Let it ask for one character at least."
        )
    # What was already replaced is passed over whole, so that a second redaction changes nothing.
    return compiled(f"{skip}|(?:{pattern})")


def _is_placeholder(written: bytes, extra: Mapping[str, str]) -> bool:
    return written[:1] == b"[" and written[1:-1].decode("utf-8", "replace") in (*KINDS, *extra)
