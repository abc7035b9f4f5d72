"""Credentials that can be told by what stands before them: names of passwords and keys, schemes, URLs, PEM headers."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import binascii
import re
from typing import Final

from tokentrail.producers.redaction.kinds import PASSWORD, PRIVATE_KEY, SECRET, Finding
from tokentrail.producers.redaction.vendor_keys import read_bot_token, read_jwt, read_vendor_key

PASSWORD_NAMES: Final = (
    "password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "pwd", r"\bpw", "mot de passe",
    "contrase(?:ñ|Ñ)a",
    "senha", "wachtwoord", "пароль", "Пароль", "密码", "密碼", "口令", "パスワード", "비밀번호",
)  # fmt: skip
SECRET_NAMES: Final = (
    "secret", "token", "credential", "credentials", "authorization", "connection string", "密钥", "令牌",
    (
        "(?:api|access|secret|auth|account|private|signing|encryption|shared|subscription|master|service|client|app|"
        "storage|function|deploy|admin|license|session|webhook|azure|openai)[_ .-]?(?:access)?[_ .-]?key"
    ),
)  # fmt: skip
"""Regular expressions; letters of either case."""
_NAME: Final = (
    f"(?P<password>{'|'.join(PASSWORD_NAMES)}|pass(?=[\"'\\s]{{0,3}}[=:]))|(?P<secret>{'|'.join(SECRET_NAMES)})"
)
_SIGN: Final = rb"[\"'\\`*\])]{0,4}(?P<sign>\s{0,3}(?:=>|:=|[:=>]|\xef\xbc\x9a)\s{0,3}|[ \t]{1,3})"
_VERB: Final = rb"(?:\s+(?:[a-z]{1,12}\s+){0,3}(?:is|was|ist|lautet|est|es|\xc3\xa9)(?=[\s:])|\xe6\x98\xaf)"
_OPENING: Final = rb"(?P<scheme>(?:bearer|basic|token)\s+)?(?P<quote>\\*[\"'`]{1,3})?"
_ASSIGNED: Final = re.compile(rb"(?:" + _NAME.encode() + rb")" + _SIGN + _OPENING, re.IGNORECASE)
_SAID: Final = re.compile(rb"(?:" + _NAME.encode() + rb")" + _VERB + _SIGN + _OPENING, re.IGNORECASE)
_SAID_WITHIN_BYTES: Final = 64
_VALUE_LIMIT: Final = 512
_QUOTED: Final = re.compile(rb"[^\"'`\\\r\n]{1,512}")
_BARE: Final = re.compile(rb"[^\s\"'`\\<>,;&|(){}\[\]]{1,512}")
_BARE_PASSWORD: Final = re.compile(rb"[^\s\"'`\\<>,;&]{1,512}")
_SPOKEN: Final = re.compile(rb"\s+(?:is|was|ist|lautet|est|es|\xc3\xa9)[\s:]|\xe6\x98\xaf", re.IGNORECASE)
_TOKEN_CHARS: Final = re.compile(rb"[A-Za-z0-9_\-.+/=~%:]{1,512}")
_NO_VALUE: Final = re.compile(
    rb"(?:none|null|nil|true|false|undefined|empty|required|optional|string|str|bytes|text|hidden|redacted|removed|changeme|"
    rb"password|passwd|pwd|secret|token|example|invalid|incorrect|wrong|missing|expired|reset|forgot\w*|your\W.*|my\W.*|x{3,}|\*{3,}|\.{3,})\W*\Z",
    re.IGNORECASE,
)
_CODE: Final = re.compile(
    rb"[<{(\[]|\$[{(A-Za-z_]|%(?:[(s]|\w+%)|[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*[(\[]|(?:os|process|self|this|env|settings|config|args|request|req|options|opts|"
    rb"params|props|ctx|secrets|vars|data|user|form|body|event|getenv)\.[A-Za-z_]|[A-Za-z_]+(?:\.[a-z_]+)+\Z"
)
_REMOVED: Final = re.compile(rb"\[(?:[a-z][a-z0-9_]*\]|key )")
_SCHEME: Final = re.compile(rb"(?P<bearer>bearer|basic)[ \t]+(?P<value>[A-Za-z0-9._~+/\-]{8,}={0,2})", re.IGNORECASE)
_QUERY: Final = re.compile(
    rb"[?&;](?:key|sig|signature|code|apikey|api_key|auth|token)=(?P<value>[^&\s\"'<>\\]{1,512})", re.IGNORECASE
)
_URL_END: Final = re.compile(rb"[\s\"'<>\\]")
_AUTHORITY: Final = re.compile(rb"[^\s\"'<>\\/?#]*")
_PORT: Final = re.compile(rb"\d{1,5}/")
_PEM_BEGIN: Final = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(rb"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY: Final = re.compile(rb"(?:[A-Za-z0-9+/=\s]|\\[nrt])*")
_PEM_LIMIT_BYTES: Final = 16_384
_DIGITS: Final = b"0123456789"
_DIGIT: Final = re.compile(rb"[0-9]")
_LETTER: Final = re.compile(rb"[A-Za-z]")
_LOOK_BYTES: Final = 64


def _named(text: bytes, start: int) -> re.Match[bytes] | None:
    if _SPOKEN.search(text, start, start + _SAID_WITHIN_BYTES) and (said := _SAID.match(text, start)):
        return said
    return _ASSIGNED.match(text, start)


def read_assignment(text: bytes, start: int) -> Finding | None:
    """Return the value that a name of a password or a secret gives at `start`; the name stays."""
    named = _named(text, start)
    if named is None:
        return None
    begin = named.end()
    vendor = read_jwt(text, begin) or read_vendor_key(text, begin)
    if vendor is not None:
        return vendor
    if _REMOVED.match(text, begin):
        return None
    is_flag = not named["sign"].strip() and text[max(0, start - 2) : start] == b"--"
    is_loose = not named["sign"].strip() and not is_flag
    if named["password"]:
        return _read_password(text, begin, named, is_loose=is_loose, is_flag=is_flag)
    value = _TOKEN_CHARS.match(text, begin)
    if value is None or is_loose or not _is_secret(value[0]) or _CODE.match(value[0]):
        return None
    whole = re.compile(_TOKEN_CHARS.pattern[:-7] + b"+").match(text, begin) if len(value[0]) == _VALUE_LIMIT else value
    return Finding(begin, whole.end() if whole else value.end(), SECRET)


def _read_password(text: bytes, begin: int, named: re.Match[bytes], *, is_loose: bool, is_flag: bool) -> Finding | None:
    is_spoken = _SPOKEN.search(named[0]) is not None
    if is_loose and not is_spoken:
        return None
    quoted = named["quote"] is not None
    value = (_QUOTED if quoted else _BARE_PASSWORD).match(text, begin)
    if value is None:
        return None
    end = value.end()
    written = value[0]
    if not quoted:
        written = written.rstrip(b".,:;?)]}") if is_spoken or b":" in named["sign"] else written.rstrip(b")]},;")
        end = begin + len(written)
    if len(written) < 4 or _NO_VALUE.match(written) or _CODE.match(written):
        return None
    if quoted or is_flag or not written.isalpha():
        return Finding(begin, end, PASSWORD) if quoted or _is_password(written) else None
    is_mixed = not (written.islower() or written.isupper() or written.istitle())
    return Finding(begin, end, PASSWORD) if (is_mixed or b"=" in named["sign"]) and len(written) >= 6 else None


def _is_password(written: bytes) -> bool:
    return _DIGIT.search(written) is not None or any(byte in b"!@#$%^&*+=?~-_" for byte in written) or written.isalpha()


def read_scheme(text: bytes, start: int) -> Finding | None:
    """Return what follows `Bearer` (RFC 6750) or `Basic` (RFC 7617) at `start`."""
    run = _SCHEME.match(text, start)
    if run is None:
        return None
    begin = run.start("value")
    vendor = read_jwt(text, begin) or read_vendor_key(text, begin)
    if vendor is not None:
        return vendor
    value = run["value"]
    if run["bearer"].lower() == b"basic":
        return Finding(begin, run.end(), SECRET) if _is_basic(value) else None
    is_random = _DIGIT.search(value) or (len(value) >= 24 and not value.islower())
    return Finding(begin, run.end(), SECRET) if is_random else None


def _is_basic(value: bytes) -> bool:
    try:
        return b":" in binascii.a2b_base64(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return False


def read_query(text: bytes, start: int) -> Finding | None:
    """Return the value of a URL's parameter that carries a key."""
    run = _QUERY.match(text, start)
    if run is None or _REMOVED.match(run["value"]):
        return None
    value = run["value"]
    begin = run.start("value")
    return read_vendor_key(text, begin) or (Finding(begin, run.end(), SECRET) if _is_secret(value) else None)


def read_userinfo(text: bytes, at: int) -> Finding | None:
    """Return the password in a URL before the @ at `at`; a user without one only where it is as long as a token."""
    scheme = text.rfind(b"://", max(0, at - _VALUE_LIMIT), at)
    if scheme < 0 or _URL_END.search(text, scheme, at):
        return None
    begin = scheme + 3
    key = read_bot_token(text, begin) or read_vendor_key(text, begin)
    if key is not None:
        return key
    user, colon, password = text[begin:at].partition(b":")
    if re.search(rb"[/?#]", user) or _PORT.match(password) or _REMOVED.match(password):
        return None
    if not colon:
        return Finding(begin, at, PASSWORD) if len(user) >= 16 else None
    # A password may hold an @: the last one of the authority ends it.
    authority = _AUTHORITY.match(text, at, at + _VALUE_LIMIT)
    last = text.rfind(b"@", at, authority.end() if authority else at + 1)
    return read_vendor_key(text, begin + len(user) + 1) or Finding(begin + len(user) + 1, last, PASSWORD)


def read_private_key(text: bytes, start: int) -> Finding | None:
    """Return the PEM block (RFC 7468) at `start`; where its end is missing, as far as it looks like one."""
    begin = _PEM_BEGIN.match(text, start)
    if begin is None:
        return None
    end = _PEM_END.search(text, begin.end(), begin.end() + _PEM_LIMIT_BYTES)
    if end is not None:
        return Finding(start, end.end(), PRIVATE_KEY)
    body = _PEM_BODY.match(text, begin.end())
    return Finding(start, body.end() if body else begin.end(), PRIVATE_KEY)


def _is_secret(value: bytes) -> bool:
    """Return whether a value looks random: letters and digits mixed, or both cases and long; no words, no dates."""
    plain = value[:_LOOK_BYTES].strip(b".:-_=")
    digits = len(plain) - len(plain.translate(None, _DIGITS))
    if len(plain) < 12 or not _LETTER.search(plain):
        return len(plain) >= 24 and digits == len(plain)
    if digits >= 2:
        return True
    return len(plain) >= 20 and not plain.islower() and not plain.isupper()
