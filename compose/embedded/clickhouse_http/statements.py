"""Statements: what a request's text asks for, as far as the HTTP front must know before the engine parses it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""\s+|--[^\n]*|\#!?\ [^\n]*|/\*.*?\*/   # blanks and comments
    |'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<open>\()|(?P<close>\))|.""",
    re.VERBOSE | re.DOTALL,
)
_FORMAT_AT_END = re.compile(rb"\bFORMAT\s+([A-Za-z0-9_]+)\s*(?:SETTINGS\s[^;]*)?;?\s*$", re.IGNORECASE)
_AFTER_FORMAT = re.compile(rb"[ \t\f]*;?(?:\r?\n)?")
# An INSERT's head ends long before this; a longer one is left to the engine's own parser.
_HEAD_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Insert:
    """`INSERT INTO target SETTINGS … FORMAT name` whose data follows in the same body, from `data_start` on."""

    target: bytes
    settings: bytes
    format: str
    data_start: int

    def from_file(self, path: str) -> bytes:
        """Return the same insert, with its data in a file."""
        infile = f"FROM INFILE '{path}' COMPRESSION 'none'\n".encode()
        return self.target + infile + self.settings + f"\nFORMAT {self.format}".encode()


def find_insert(text: bytes) -> Insert | None:
    """Return the insert that carries its data after a FORMAT clause; None for every other statement.

    INSERT … SELECT, INSERT … VALUES and INSERT … FROM INFILE are ordinary statements.
    """
    head = text[:_HEAD_BYTES]
    depth, first, in_format = 0, True, False
    settings_start = clause_start = 0
    for token in _TOKEN.finditer(head):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "word" and depth == 0:
            word = token.group().upper()
            if first and word != b"INSERT":
                return None
            if in_format:
                return _insert(head, settings_start or clause_start, clause_start, token)
            if word == b"SETTINGS" and not settings_start:
                settings_start = token.start()
            if word in (b"SELECT", b"VALUES", b"WITH", b"INFILE"):
                return None
            in_format = word == b"FORMAT"
            clause_start = token.start()
            first = False
    return None


def _insert(head: bytes, settings_start: int, clause_start: int, name: re.Match[bytes]) -> Insert | None:
    if name.group().upper() == b"VALUES":
        return None
    gap = _AFTER_FORMAT.match(head, name.end())
    return Insert(
        # A comment may run to the end of its line.
        target=head[:settings_start] + b"\n",
        settings=head[settings_start:clause_start],
        format=name.group().decode(),
        data_start=gap.end() if gap else name.end(),
    )


def stated_format(text: bytes) -> str | None:
    """Return the name in the statement's own FORMAT clause."""
    found = _FORMAT_AT_END.search(text[-4096:])
    return found.group(1).decode() if found else None


def names(text: bytes) -> Iterator[bytes]:
    """Return the names outside a text's literals one by one, data after VALUES included.

    A quoted one is as it stands between its quotes. A `$` may begin a heredoc, which is not read here: it is returned
    as a name, and those after it are not reliable.
    """
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word" or token.group() == b"$":
            yield token.group()
        elif token.group()[:1] in (b'"', b"`"):
            yield token.group()[1:-1]


def first_word(text: bytes) -> str:
    """Return the statement's first word in upper case, comments skipped; empty when there is none."""
    for token in _TOKEN.finditer(text[:_HEAD_BYTES]):
        if token.lastgroup == "word":
            return token.group().decode().upper()
        if token.lastgroup == "open" or not token.group().strip() or token.group()[:2] in (b"--", b"/*", b"#!", b"# "):
            continue
        return ""
    return ""
