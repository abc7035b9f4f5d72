"""The one combined pattern: where in a text something might be; the readers then look closely.

RE2 runs it as one automaton over the bytes, in time linear in the text. It has no groups and few counted repetitions,
and it ends as soon as there is something to read: so it stays small, and never runs on over text to be read again.
"""

from functools import cache
from typing import Final

from tokentrail.producers.redaction.assignments import PASSWORD_NAMES, SECRET_NAMES, VERBS
from tokentrail.producers.redaction.engine import Search, search_of
from tokentrail.producers.redaction.kinds import KINDS, placeholder
from tokentrail.producers.redaction.lettered_ids import IBAN_LENGTHS
from tokentrail.producers.redaction.vendor_keys import PREFIXES

# A word begins: also behind an escape, whose last letter would else be taken for its first (JSON's \n, a URL's %20).
_BEGIN: Final = r"(?:\b|\\[bfnrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})"
_SEPARATOR: Final = r"[ .\-/\x{a0}\x{202f}\x{2010}-\x{2014}]"
_HEX: Final = "[0-9A-Fa-f]"
_VENDOR_PREFIX: Final = "|".join(prefix.replace(".", r"\.") for prefix in PREFIXES)
_ANY_NAME: Final = "|".join(PASSWORD_NAMES + SECRET_NAMES)


def _begun_by(*patterns: str) -> str:
    return _BEGIN + "(?:" + "|".join(patterns) + ")"


_PLACEHOLDER: Final = r"\[(?:" + "|".join(KINDS) + r")\]"
_CREDENTIALS: Final = (
    _PLACEHOLDER,
    _begun_by(
        rf"(?:{_VENDOR_PREFIX})[A-Za-z0-9_*.\-]{{8}}",
        r"eyJ[A-Za-z0-9]|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{4}|SK[0-9a-f]{6}|key-[0-9a-f]{6}",
        r"hooks\.slack\.com/|discord(?:app)?\.com/api/",
        r"(?i:bearer|basic)[ \t]+[A-Za-z0-9+/._~\-]",
    ),
    r"\d:AA[A-Za-z0-9_\-]{4}",
    r"-----BEGIN [A-Z]",
    r"[^\s@]@[^\s@]",
    r"[?&;](?i:key|sig|signature|code|apikey|api_key|auth|token)=",
    rf"(?i:{_ANY_NAME}|pass)" + r"""["'\\`*\])]{0,4}\s{0,3}(?:[=:>]|\x{ff1a})""",
    rf"(?i:{'|'.join(PASSWORD_NAMES)})(?:(?i:[ \t]+(?:[a-z]{{1,12}}\s+){{0,4}}(?:{'|'.join(VERBS)})[\s:])|是)",
    rf"--(?i:{_ANY_NAME}|pass)[ \t]",
)
_ADDRESSES_AND_IDS: Final = (
    rf":{_HEX}{{1,4}}:{_HEX}{{1,4}}:{_HEX}|::{_HEX}|{_HEX}::",
    _begun_by(
        rf"(?i:{'|'.join(IBAN_LENGTHS)})\d\d[ .\-\x{{a0}}]?[A-Za-z0-9]{{4}}",
        r"[A-Za-z]{2}[ \-]?\d{2}[ \-]?\d{2}[ \-]?\d{2}[ \-]?[A-Da-d]\b",
        r"[XYZxyz][ \-]?\d\.?\d{3}\.?\d{3}",
    ),
    r"[A-Z] ?[0-9LMNPQRSTUV]{2}[A-T][0-9LMNPQRSTUV]{2} ?[A-Z][0-9LMNPQRSTUV]{3}[A-Z]\b",
    r"[a-z]\d{2}[a-t]\d{2}[a-z]\d{3}[a-z]\b",
)
_NUMBERS: Final = (
    _begun_by(
        *(
            shape.replace("D", _SEPARATOR)
            for shape in (
                r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d",
                r"\d{9}",
                r"\d{4}D{1,3}\d{4}D{1,3}\d{4}",
                r"3\d{3}D{1,3}\d{6}D{1,3}\d{4}",
                r"\d{8}[\- ]?[A-Za-z]\b",
                r"\d{8}D{1,3}\d{8}",
                r"\d{6}D\d{8}",
                r"\d{4}D\d{5}D\d{6}",
                r"\d{2}\.\d{3}\.\d{3}[\- ]?[A-Za-z]",
                r"\d{3}D\d{2}D\d{4}",
                r"\d{3}D{1,3}\d{3}D{1,3}\d{3}",
                r"\d{4}\.\d{2}\.\d{3}",
                r"[1-478] ?\d{2} ?\d{2} ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3}",
                r"[12]D\d{4}D\d{2}D\d{3}D\d{3}",
                r"\d{2}D\d{3}D\d{3}D\d{3}",
                r"0\d(?:D{0,3}\d){7}",
                r"1[3-9]\dD\d{4}D\d{4}",
                r"[6-9]\d{4}D\d{5}",
                r"[6-9]\d{2}D\d{2}D\d{2}D\d{2}",
                r"3\d{2}D\d{6}",
                r"\d{2}D9\d{4}D\d{4}",
                r"[178]D\d{3}D\d{3}D\d{2}",
            )
        )
    ),
    rf"\+[ (]{{0,2}}\d(?:(?:{_SEPARATOR}|[()]){{0,3}}\d){{4}}",
    rf"\(0?\d{{1,5}}\){_SEPARATOR}{{0,3}}\d{{2}}",
)


@cache
def everything() -> Search:
    """Return a search for all kinds. Raises ImportError where google-re2 is missing."""
    return search_of("|".join(_CREDENTIALS + _ADDRESSES_AND_IDS + _NUMBERS))


@cache
def credentials() -> Search:
    """Return a search for credentials alone; raises like `everything`."""
    return search_of("|".join(_CREDENTIALS))


def placeholders(names: tuple[str, ...]) -> str:
    """Return a pattern of the placeholders of these kinds."""
    return "|".join(rf"\[{placeholder(name)[1:-1]}\]" for name in names)
