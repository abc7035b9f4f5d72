"""API keys and tokens that can be told by how they begin."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import re
from typing import Final

from tokentrail.producers.redaction.digit_runs import is_word_at
from tokentrail.producers.redaction.kinds import API_KEY, JWT, Finding

PREFIXES: Final = (
    "sk-", "xai-", "gsk_", "pplx-", "AIza", "ya29.", "GOCSPX-", "hf_", "api_org_", "nvapi-", "r8_", "fw_", "tgp_v1_",
    "csk-", "pcsk_", "jina_", "tvly-", "fc-", "pa-", "co_", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_",
    "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-", "glagent-", "xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-",
    "xoxe.xoxp-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_",
    "SG.", "npm_", "pypi-", "dapi", "dop_v1_", "doo_v1_", "dor_v1_", "hvs.", "hvb.", "shpat_", "shpca_", "shppa_",
    "shpss_", "sq0atp-", "sq0csp-", "dckr_pat_", "lin_api_", "ntn_", "secret_", "pk-lf-", "glsa_", "NRAK-", "sntrys_",
    "sntryu_", "sbp_", "ATATT3", "ATCTT3", "pscale_tkn_", "pscale_pw_", "AGE-SECRET-KEY-1", "figd_", "PMAK-",
    "rubygems_", "EAAC", "lsv2_pt_", "lsv2_sk_", "phc_", "phx_", "re_", "tfp_", "dd_", "aio_", "xkeysib-",
)  # fmt: skip
"""Of vendors' documentation. What follows must still look random: `sk-learn` and `re_match` are words."""
_NEEDS: Final[dict[str, int]] = {
    "AIza": 30, "dapi": 30, "EAAC": 40, "re_": 24, "pa-": 30, "fc-": 30, "co_": 30, "secret_": 30, "dd_": 30,
    "aio_": 24, "fw_": 16, "phc_": 30, "phx_": 30, "ntn_": 30, "pypi-": 24, "npm_": 30, "hf_": 20, "SG.": 20,
}  # fmt: skip
"""Fewest characters after prefixes that are also parts of ordinary names."""
_UNMISTAKABLE: Final = frozenset(
    prefix.encode() for prefix in PREFIXES if len(prefix) >= 4 and prefix not in _NEEDS and prefix != "hvs."
)
"""After these, 20 characters that are not all small letters are a key, however few digits they have."""
_FEWEST: Final = 8
_LOOK_BYTES: Final = 128
_HEAD_BYTES: Final = 3
_BY_HEAD: Final[dict[bytes, tuple[bytes, ...]]] = {
    head: tuple(sorted((p.encode() for p in PREFIXES if p.encode().startswith(head)), key=len, reverse=True))
    for head in {prefix[:_HEAD_BYTES].encode() for prefix in PREFIXES}
}
_BODY: Final = re.compile(rb"[A-Za-z0-9_\-*]+(?:\.[A-Za-z0-9_\-*]+)*(?:={0,2}(?![A-Za-z0-9]))")
_PIECE: Final = re.compile(rb"[A-Za-z0-9*]{6,}")
_HEX_KEY: Final = re.compile(rb"SK[0-9a-f]{32}|key-[0-9a-f]{32}|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}")
_BOT: Final = re.compile(rb"\d{8,10}:AA[A-Za-z0-9_-]{32,34}")
_NUMBER_BEFORE: Final = re.compile(rb"\d+\Z")
_WEBHOOK: Final = re.compile(
    rb"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{12,}|discord(?:app)?\.com/api/webhooks/[A-Za-z0-9/_-]{20,}"
)
_FIXED_HEADS: Final = frozenset((b"key", b"AKI", b"ASI", b"ABI", b"ACC", b"hoo", b"dis"))
_SCHEME: Final = b"https://"
_JWT: Final = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}")


def read_vendor_key(text: bytes, start: int) -> Finding | None:
    """Return the vendor's key at `start`."""
    head = text[start : start + _HEAD_BYTES]
    if head in _FIXED_HEADS or head[:2] == b"SK":
        return _read_fixed(text, start)
    prefix = next((known for known in _BY_HEAD.get(head, ()) if text.startswith(known, start)), None)
    if prefix is None:
        return None
    begin = start + len(prefix)
    looked_at = _BODY.match(text, begin, begin + _LOOK_BYTES)
    if looked_at is None or len(looked_at[0]) < _NEEDS.get(prefix.decode(), _FEWEST):
        return None
    is_plain = prefix in _UNMISTAKABLE and len(looked_at[0]) >= 20 and not looked_at[0].islower()
    if not is_plain and not _is_random(looked_at[0]):
        return None
    body = _BODY.match(text, begin)
    return Finding(start, body.end() if body else looked_at.end(), API_KEY)


def _read_fixed(text: bytes, start: int) -> Finding | None:
    fixed = _HEX_KEY.match(text, start) or _WEBHOOK.match(text, start)
    if fixed is None or is_word_at(text, fixed.end()):
        return None
    begin = start - len(_SCHEME) if text.startswith(_SCHEME, max(0, start - len(_SCHEME))) else start
    return Finding(begin, fixed.end(), API_KEY)


def read_bot_token(text: bytes, start: int) -> Finding | None:
    """Return the Telegram bot's token whose number begins, or ends, at `start`: a number, a colon, 35 characters."""
    number = _NUMBER_BEFORE.search(text, max(0, start - 9), start)
    begin = number.start() if number else start
    token = _BOT.match(text, begin)
    return Finding(begin, token.end(), API_KEY) if token and not is_word_at(text, token.end()) else None


def read_jwt(text: bytes, start: int) -> Finding | None:
    """Return the JSON Web Token at `start` (RFC 7519): two to five parts in base64url, the first an object."""
    token = _JWT.match(text, start)
    if token is None:
        return None
    _, second, *rest = token[0].split(b".")
    # A file name may follow a cursor in base64: of two parts, the second must be an object too.
    if not rest and not second.startswith(b"eyJ"):
        return None
    return Finding(start, token.end(), JWT)


def _is_random(body: bytes) -> bool:
    """Return whether a piece has letters and digits mixed, or letters of both cases as no word has them."""
    for piece in _PIECE.findall(body):
        if b"****" in piece:
            return True
        digits = len(piece) - len(piece.translate(None, b"0123456789"))
        if digits and (digits < len(piece) or len(piece) >= 10):
            return True
        if len(piece) >= 16 and not piece.islower() and not piece.isupper():
            return True
    return False
