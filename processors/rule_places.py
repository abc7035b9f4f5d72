"""Rule places: on which line of a TOML text a table or a field of it stands, which `tomllib` does not tell."""

import re
from collections.abc import Iterator, Sequence

import msgspec

_HEADER = re.compile(r"\s*\[(\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_INLINE_KEY = re.compile(r"[{,]\s*([\w.-]+|\"[^\"]*\"|'[^']*')\s*=")
_LONG_QUOTES = ('"""', "'''")


class Line(msgspec.Struct, frozen=True):
    """A line that sets something."""

    number: int
    table: int
    """Which table of the array it belongs to, from 0."""
    path: tuple[str, ...]
    """What it sets, below that table; empty for the table's header."""


def find_line(text: str, array: str, table: int, path: Sequence[str] = ()) -> int:
    """Return the line (from 1) of a field of the n-th (from 0) `[[array]]` table; where it is not found, the nearest.

    The text must be valid TOML. A field inside an inline table has the line of its own name if that can be found.
    """
    best, depth = 1, -1
    for line in _walk(text, array):
        if line.table != table or line.path != tuple(path[: len(line.path)]):
            continue
        if len(line.path) > depth:
            best, depth = line.number, len(line.path)
    return best


def _walk(text: str, array: str) -> Iterator[Line]:
    table = -1
    prefix: tuple[str, ...] | None = None
    quotes = ""
    for number, content in enumerate(text.splitlines(), start=1):
        if quotes:
            # Inside a text of several lines nothing is set.
            quotes = "" if quotes in content else quotes
            continue
        header = _HEADER.match(content)
        if header and not _KEY.match(content):
            name = _split(header[2])
            if name[0] != array:
                prefix = None
                continue
            table += bool(header[1]) and len(name) == 1
            prefix = name[1:]
            yield Line(number, table, prefix)
            continue
        key = _KEY.match(content)
        if key and prefix is not None:
            path = (*prefix, *_split(key[1]))
            yield Line(number, table, path)
            for inline in _INLINE_KEY.finditer(content[key.end() :]):
                yield Line(number, table, (*path, *_split(inline[1])))
        quotes = _opened(content)


def _opened(content: str) -> str:
    """Return the quotes of a text that begins on a line and does not end there."""
    for quotes in _LONG_QUOTES:
        if content.count(quotes) % 2:
            return quotes
    return ""


def _split(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.split(r"\s*\.\s*(?=[\w\"'-])", key.strip()))
