"""The guard before the engine: what it must not be asked through HTTP, and what a reader may not ask at all.

Roles (accounts.xml) deny tables, files and hosts, and `readonly` denies changes. Neither covers these: a role can be
changed by SET ROLE, INTO OUTFILE writes a file, the scalar function `file` reads any file of the machine (in chDB
nothing confines it), and a few functions reach other hosts or run SQL out of a string.
What settings could reach is closed by constraints in accounts.xml.
"""

import re

from tokentrail.compose.embedded.clickhouse_http.accounts import Account
from tokentrail.compose.embedded.clickhouse_http.connection import Connection
from tokentrail.compose.embedded.clickhouse_http.failures import refusal
from tokentrail.compose.embedded.clickhouse_http.statements import first_word, names

# The engine's formatter writes literals with these escapes only, and no comments or heredocs.
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_NAME = re.compile(r"`((?:[^`\\]|\\.)*)`|\b([A-Za-z_][A-Za-z0-9_]*)\b")
# Nobody's: they read the machine's files or run SQL out of a string, which could call `file` unseen; and `sqlite` makes
# the file that it is not allowed to open.
_FORBIDDEN = frozenset(("file", "eval", "sqlite"))
# Not a reader's: they reach other hosts, take column defaults out of a string, which could call `file` unseen, or name
# tables of `system` in a string.
_FORBIDDEN_TO_READERS = frozenset(
    ("hasColumnInTable", "reverseDNSQuery", "generateRandom", "fuzzJSON", "fuzzQuery", "values", "input", "format",
     "viewIfPermitted", "merge", "Python", "python", "ArrowStream", "arrowstream")
)  # fmt: skip
# Of `system`, not a reader's: what others ask and what they bind in it, settings that hold secrets, memory. Grants do
# not keep them: the engine asks for none where `select_from_system_db_requires_grant` is off, and chDB cannot set it.
_OTHERS_AFFAIRS = frozenset(
    ("processes", "user_processes", "user_query_log", "query_log", "query_thread_log", "text_log", "query_cache",
     "query_condition_cache", "errors", "mutations", "server_settings", "named_collections", "stack_trace",
     "jemalloc_profile_text", "jemalloc_sampled_allocations", "certificates", "backups", "asynchronous_inserts")
)  # fmt: skip
_OF_SYSTEM = re.compile(r"\bsystem`?\s*\.\s*`?(\w+)", re.IGNORECASE)
_ENGINE = re.compile(r"\bENGINE = (\w+)")
# Engines that keep their data in the store. Of the others, files and hosts are nobody's business here; and a streaming
# one (Kafka, …) is worse: chDB takes the table, fails to start it, and from then on fails to open the directory.
_ENGINES = frozenset(
    ("Memory", "Null", "Buffer", "Log", "TinyLog", "StripeLog", "Merge", "Set", "Join", "EmbeddedRocksDB", "Dictionary",
     "GenerateRandom", "Atomic")
)  # fmt: skip
# Formats that go by a schema or a template out of a file, or from a registry. The settings that would name one are
# constant (accounts.xml); without them these formats could only fail.
_FORBIDDEN_FORMATS = ("template", "protobuf", "capnproto", "avroconfluent")
_FORMAT = re.compile(r"\bFORMAT (\w+)")
# A name in quotes can be spelled in escapes; no other escape makes a letter.
_ESCAPED = rb"\\x[0-9A-Fa-f]{2}"
_MAY_CALL = re.compile(rb"\b(?:file|eval)\b|" + _ESCAPED)
_FORMAT_AT_END = re.compile(r" FORMAT \w+$")
_SIGNS = (b"file", b"eval", b"sqlite", b"\\", *(name.encode() for name in _FORBIDDEN_FORMATS))
_DEFINING = frozenset(("CREATE", "ATTACH", "REPLACE"))
_READERS_STATEMENTS = frozenset(("SELECT", "WITH", "EXPLAIN", "DESCRIBE", "DESC", "SHOW", "EXISTS", "FROM"))


def check_statement(connection: Connection, account: Account, text: bytes, *, only_reading: bool) -> None:
    """Let a statement pass, or refuse it; `only_reading` holds the owner to reading too (method GET).

    Marks the connection when the statement will leave something behind on it.

    Raises:
        ClickHouseFailure: 62 for what is not one statement, 164 for a change where only reading is allowed, 497 for
            functions that are switched off.
    """
    word = first_word(text)
    if not word:
        raise refusal(62, "SYNTAX_ERROR", "Syntax error: Empty query.")
    kind, count = connection.statement_class(text)
    if count > 1:
        raise refusal(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed).")
    if account.read_only or only_reading:
        # What the parser cannot classify is never run: the engine would run a valid beginning of it.
        if kind == "UNKNOWN":
            raise refusal(62, "SYNTAX_ERROR", "Syntax error: the statement cannot be parsed.")
        if kind != "READ_ONLY" or (account.read_only and word not in _READERS_STATEMENTS):
            raise read_only_refusal(by_method=not account.read_only)
    if account.read_only or word in _DEFINING or shows_signs(text):
        _check_names(connection, account, text)
    if word == "INSERT" and _MAY_CALL.search(text):
        _check_values(account, text)
    if kind in ("CONTROL", "UNKNOWN"):
        connection.tainted = True
        if word in ("SET", "USE"):
            connection.forget_settings()


def shows_signs(text: bytes) -> bool:
    """Return whether a text may name what is forbidden to everybody; only the parsed statement tells."""
    lowered = text.lower()
    return any(sign in lowered for sign in _SIGNS)


def check_format(name: str) -> None:
    """Let a format of input or output pass, or refuse it.

    Raises:
        ClickHouseFailure: 48, it takes a schema out of a file or from a registry.
    """
    if name.lower().startswith(_FORBIDDEN_FORMATS):
        reason = (
            f"The embedded engine has no format {name}, which needs a schema file: use Native, Arrow or JSONEachRow."
        )
        raise refusal(48, "NOT_IMPLEMENTED", reason)


def read_only_refusal(*, by_method: bool) -> Exception:
    """Return the refusal of a change where only reading is allowed."""
    hint = " For queries over HTTP, method GET implies readonly: use POST to change anything." if by_method else ""
    return refusal(164, "READONLY", f"Cannot execute query in readonly mode.{hint}")


def _check_names(connection: Connection, account: Account, text: bytes) -> None:
    canonical = connection.canonical(text)
    if canonical is None:
        if account.read_only:
            raise refusal(62, "SYNTAX_ERROR", "Syntax error: the statement cannot be parsed.")
        return
    outside_literals = _LITERAL.sub("''", canonical)
    if re.search(r"\b(INTO OUTFILE|FROM INFILE)\b", outside_literals):
        raise refusal(48, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are not allowed over HTTP.")
    for name in _FORMAT.findall(outside_literals):
        check_format(name)
    for engine in _ENGINE.findall(outside_literals):
        if engine not in _ENGINES and (engine.startswith(("Replicated", "Shared")) or not engine.endswith("MergeTree")):
            reason = f"The embedded engine has no engine {engine}: point TOKENTRAIL_CLICKHOUSE at a ClickHouse server."
            raise refusal(56, "UNKNOWN_STORAGE", reason)
    if account.read_only:
        _check_tables(account, outside_literals)
    forbidden = _FORBIDDEN | _FORBIDDEN_TO_READERS if account.read_only else _FORBIDDEN
    # ArrowStream is a format for readers too; the table function of that name is none.
    for match in _NAME.finditer(_FORMAT_AT_END.sub("", outside_literals)):
        found = match.group(1) or match.group(2) or ""
        if found in forbidden:
            raise _switched_off(account, found)


def _check_tables(account: Account, statement: str) -> None:
    for name in _OF_SYSTEM.findall(statement):
        if name in _OTHERS_AFFAIRS:
            raise _switched_off(account, f"system.{name}")


def check_database(account: Account, name: str | None) -> None:
    """Let a request's database pass, or refuse it: in `system` a reader would name its tables without it.

    Raises:
        ClickHouseFailure: 497.
    """
    if account.read_only and name == "system":
        raise _switched_off(account, "the database system, as the one that names are looked up in,")


def _check_values(account: Account, text: bytes) -> None:
    # VALUES takes expressions, and the engine's formatter leaves them out.
    for name in names(text):
        if name == b"$" or name.decode(errors="replace") in _FORBIDDEN or re.search(_ESCAPED, name):
            raise _switched_off(account, name.decode(errors="replace"))


def _switched_off(account: Account, name: str) -> Exception:
    reason = f"{account.user}: Not enough privileges: {name} is switched off in the embedded engine."
    return refusal(497, "ACCESS_DENIED", reason)
