"""Credentials that can be told by where they stand: behind a scheme, in a URL, below a PEM header."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import binascii
import re
from typing import Final

from tokentrail.producers.redaction.assignments import is_removed, is_secret
from tokentrail.producers.redaction.kinds import PASSWORD, PRIVATE_KEY, SECRET, Finding
from tokentrail.producers.redaction.vendor_keys import read_bot_token, read_jwt, read_vendor_key

_VALUE_LIMIT: Final = 512
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
_DIGIT: Final = re.compile(rb"[0-9]")


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
    if run is None or is_removed(run["value"]):
        return None
    value = run["value"]
    begin = run.start("value")
    return read_vendor_key(text, begin) or (Finding(begin, run.end(), SECRET) if is_secret(value) else None)


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
    if re.search(rb"[/?#]", user) or _PORT.match(password) or is_removed(password):
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
