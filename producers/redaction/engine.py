"""RE2 behind two functions; it is loaded by the first that is called."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

_MAX_MEMORY_BYTES: Final = 32 << 20
"""A third of it is for the automaton's states, which are made as texts need them."""

Search = Callable[[bytes, int, int], tuple[int, int]]
"""Takes a text in UTF-8, where to begin and where the text is to end; returns the leftmost match, or (-1, -1)."""


def compiled(pattern: str) -> Any:
    """Compile with RE2, groups as plain brackets; raises `re2.error` for what RE2 cannot read."""
    re2: Any = import_module("re2")
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    return re2.compile(pattern, options)


def search_of(pattern: str) -> Search:
    """Return a search for the pattern; raises ImportError where google-re2 is missing."""
    program = compiled(pattern)
    try:
        return _direct_search(program)
    except Exception:  # noqa: BLE001 - a release of google-re2 that is built otherwise inside is slower by its interface
        return _public_search(program)


def _direct_search(program: Any) -> Search:
    """Search without the generator and the match object that the public method makes: 2 µs a call."""
    match, unanchored = program._regexp.Match, import_module("re2._re2").RE2.Anchor.UNANCHORED  # noqa: SLF001 - see above

    def search(text: bytes, begin: int, end: int) -> tuple[int, int]:
        span: tuple[int, int] = match(unanchored, text, begin, end)[0]
        return span

    start, end = search(b"", 0, 0)
    return search if start <= end else _public_search(program)


def _public_search(program: Any) -> Search:
    def search(text: bytes, begin: int, end: int) -> tuple[int, int]:
        found = program.search(text, begin, end)
        return found.span() if found else (-1, -1)

    return search
