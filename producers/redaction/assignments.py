"""Values that a name gives away: `password: …`, `api_key=…`, `"token": "…"`, `--password …`, `my password is …`."""

# ruff: noqa: PLR2004 - the numbers are lengths below which a value is no secret

import re
from functools import lru_cache
from typing import Final, NamedTuple

from tokentrail.producers.redaction.kinds import PASSWORD, SECRET, Finding
from tokentrail.producers.redaction.vendor_keys import read_jwt, read_vendor_key

PASSWORD_NAMES: Final = (
    "password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "pwd", r"\bpw", "mot de passe",
    "contrase(?:ñ|Ñ)a", "senha", "wachtwoord", "пароль", "Пароль", "密码", "密碼", "口令", "パスワード", "비밀번호",
)  # fmt: skip
SECRET_NAMES: Final = (
    "secret", "token", "credentials?", "authorization", "connection string", "密钥", "令牌",
    (
        "(?:api|access|secret|auth|account|private|signing|encryption|shared|subscription|master|service|client|app|"
        "storage|function|deploy|admin|license|session|webhook|azure|openai)[_ .-]?(?:access)?[_ .-]?key"
    ),
)  # fmt: skip
"""Regular expressions; letters of either case."""
VERBS: Final = ("is", "was", "ist", "lautet", "est", "es", "é")
"""What may stand between a password's name and the password, at most four words behind the name."""
_PASSWORD: Final = re.compile(f"(?:{'|'.join(PASSWORD_NAMES)}|pass)".encode(), re.IGNORECASE)
_SIGN_ENDS: Final = frozenset(b":=>\x9a")
"""Last bytes of the signs that are looked for; 0x9a is that of the full-width colon."""
_OPENING: Final = re.compile(
    rb"[=>]?\s{0,3}(?P<scheme>(?:bearer|basic|token)\s+)?(?P<quote>\\*[\"'`]{1,3})?", re.IGNORECASE
)
_VERB: Final = re.compile(
    rf"(?:\s*(?:[a-z]{{1,12}}\s+){{0,4}}?(?:{'|'.join(VERBS)})[\s:]|是)[\s:]{{0,3}}(?P<quote>\\*[\"'`]{{1,3}})?".encode(),
    re.IGNORECASE,
)
_VALUE_LIMIT: Final = 512
_QUOTED: Final = rb"[^\"'`\\\r\n]"
_BARE: Final = rb"[^\s\"'`\\<>,;&]"
_TOKEN: Final = rb"[A-Za-z0-9_\-.+/=~%:]"
_RUNS: Final = {chars: (re.compile(chars + b"{1,512}"), re.compile(chars + b"+")) for chars in (_QUOTED, _BARE, _TOKEN)}
_NO_VALUE: Final = re.compile(
    rb"(?:none|null|nil|true|false|undefined|empty|required|optional|string|str|bytes|text|hidden|redacted|removed|"
    rb"changeme|password|passwd|pwd|secret|token|example|invalid|incorrect|wrong|missing|expired|reset|forgot\w*|"
    rb"your\W.*|my\W.*|x{3,}|\*{3,}|\.{3,})\W*\Z",
    re.IGNORECASE,
)
_CODE: Final = re.compile(
    rb"[<{(\[]|\$[{(A-Za-z_]|%(?:[(s]|\w+%\Z)|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*[(\[]|"
    rb"(?:os|process|self|this|env|settings|config|args|request|req|options|opts|params|props|ctx|secrets|vars|data|"
    rb"user|form|body|event|getenv)\.[A-Za-z_]|[A-Za-z_]+(?:\.[a-z_]+)+\Z"
)
_REMOVED: Final = re.compile(rb"\[(?:[a-z][a-z0-9_]*\]|key )")
_DIGITS: Final = b"0123456789"
_LETTER: Final = re.compile(rb"[A-Za-z]")
_NOT_ONLY_WORDS: Final = re.compile(rb"[0-9!@#$%^&*+=?~_-]")
_LOOK_BYTES: Final = 64


class _Named(NamedTuple):
    """Where a value begins, and how its name leads to it."""

    begin: int
    sign: bytes
    quoted: bool
    spoken: bool


def read_assignment(text: bytes, start: int, end: int) -> Finding | None:
    """Return the value that the name at `start`, whose sign or verb ends at `end`, gives away.

    The name stays.
    """
    named = _named(text, start, end)
    if named is None:
        return None
    begin = named.begin
    vendor = read_jwt(text, begin) or read_vendor_key(text, begin)
    if vendor is not None:
        return vendor
    if _REMOVED.match(text, begin):
        return None
    return _read_password(text, named) if _is_password_name(text[start:end]) else _read_secret(text, begin)


def is_removed(value: bytes) -> bool:
    """Return whether a value is what a redaction has left."""
    return _REMOVED.match(value) is not None


def is_secret(value: bytes) -> bool:
    """Return whether a value looks random: letters and digits mixed, or both cases and long; no words, no dates."""
    plain = value[:_LOOK_BYTES].strip(b".:-_=")
    digits = len(plain) - len(plain.translate(None, _DIGITS))
    if len(plain) < 12 or not _LETTER.search(plain):
        return len(plain) >= 24 and digits == len(plain)
    if digits >= 2:
        return True
    return len(plain) >= 20 and not plain.islower() and not plain.isupper()


def _named(text: bytes, start: int, end: int) -> _Named | None:
    if text[end - 1] in _SIGN_ENDS:
        opening = _OPENING.match(text, end)
        return _Named(opening.end(), text[end - 1 : end], bool(opening["quote"]), spoken=False) if opening else None
    if text[start - 2 : start] == b"--" and text[end - 1] in b" \t":
        opening = _OPENING.match(text, end)
        return _Named(opening.end(), b"=", bool(opening["quote"]), spoken=False) if opening else None
    name = _PASSWORD.match(text, start, end)
    # Letters beyond ASCII in the other case are known to RE2 alone: such a name has no space in it.
    verb = _VERB.match(text, name.end() if name else text.find(b" ", start, end)) or _VERB.match(text, end - 3)
    return _Named(verb.end(), b":", bool(verb["quote"]), spoken=True) if verb else None


@lru_cache(4096)
def _is_password_name(name: bytes) -> bool:
    return _PASSWORD.match(name) is not None


def _read_secret(text: bytes, begin: int) -> Finding | None:
    value, end = _run(_TOKEN, text, begin)
    return Finding(begin, end, SECRET) if is_secret(value) and not _CODE.match(value) else None


def _read_password(text: bytes, named: _Named) -> Finding | None:
    begin = named.begin
    value, end = _run(_QUOTED if named.quoted else _BARE, text, begin)
    if not named.quoted:
        # Behind a colon there is a sentence or a list, and what ends it is no part of the password.
        value = value.rstrip(b".,:;?)]}" if named.sign != b"=" else b")]},;")
        end = begin + len(value) if len(value) < _VALUE_LIMIT - 8 else end
    if len(value) < 4 or _NO_VALUE.match(value) or _CODE.match(value):
        return None
    if named.quoted or _NOT_ONLY_WORDS.search(value) or not value.isalpha():
        return Finding(begin, end, PASSWORD)
    is_mixed = not (value.islower() or value.isupper() or value.istitle())
    return Finding(begin, end, PASSWORD) if (is_mixed or named.sign == b"=") and len(value) >= 6 else None


def _run(chars: bytes, text: bytes, begin: int) -> tuple[bytes, int]:
    """Return the value to be judged, at most 512 bytes of it, and where it ends."""
    limited, unlimited = _RUNS[chars]
    value = limited.match(text, begin)
    if value is None:
        return b"", begin
    whole = unlimited.match(text, begin) if len(value[0]) == _VALUE_LIMIT else value
    return value[0], whole.end() if whole else value.end()
