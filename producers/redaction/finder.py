"""The one combined pattern: where in a text something might be; the readers then look closely.

RE2 runs it as one automaton over the bytes, in time linear in the text. It has no groups and few counted repetitions,
and it ends as soon as there is something to read: so it stays small, and never runs on over text to be read again.
"""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.redaction.credentials import PASSWORD_NAMES, SECRET_NAMES
from tokentrail.producers.redaction.kinds import KINDS, placeholder
from tokentrail.producers.redaction.lettered_ids import IBAN_LENGTHS
from tokentrail.producers.redaction.vendor_keys import PREFIXES

if TYPE_CHECKING:
    from tokentrail.producers.redaction.scan import Suspect

_MAX_MEMORY_BYTES: Final = 16 << 20
# A word begins: also behind an escape, whose last letter would else be taken for its first (JSON's \n, a URL's %20).
_BEGIN: Final = r"(?:\b|\\[bfnrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})"
_SEPARATOR: Final = r"[ .\-/\x{a0}\x{202f}\x{2010}-\x{2014}]"
_HEX: Final = "[0-9A-Fa-f]"


def _escaped(literals: tuple[str, ...]) -> str:
    return "|".join(literal.replace(".", r"\.") for literal in literals)


_ANY_NAME: Final = "|".join(PASSWORD_NAMES + SECRET_NAMES)
_CREDENTIALS: Final = (
    _BEGIN + rf"(?:{_escaped(PREFIXES)})[A-Za-z0-9_*.\-]{{8}}",
    _BEGIN + r"(?:eyJ[A-Za-z0-9_\-]{8}|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|SK[0-9a-f]{32}|key-[0-9a-f]{32})",
    _BEGIN + r"\d{8,10}:AA[A-Za-z0-9_\-]{32}",
    _BEGIN + r"(?:hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/)",
    _BEGIN + r"(?i:bearer|basic)[ \t]+[A-Za-z0-9._~+/\-]{8}",
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY",
    r"""://[^\s:/@"'<>\\]*[:@]""",
    r"[?&;](?i:key|sig|signature|code|apikey|api_key|auth|token)=",
    rf"(?i:{_ANY_NAME}|pass)" + r"""["'\\`*\])]{0,4}\s{0,3}(?:[=:>]|\x{ff1a})""",
    rf"(?i:{'|'.join(PASSWORD_NAMES)})(?:[ \t]+(?i:is|was|ist|lautet|est|es|é)[ \t:]|是)",
    rf"--(?i:{_ANY_NAME}|pass)[ \t]+[^\s\-]",
)
_NUMBERS: Final = tuple(
    _BEGIN + shape.replace("D", _SEPARATOR)
    for shape in (
        r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d",
        r"\d{9}",
        r"\d{4}D{1,3}\d{4}D{1,3}\d{4}",
        r"3\d{3}D\d{6}D\d{4}",
        r"\d{8}[\- ]?[A-Za-z]\b",
        r"\d{8}D\d{8}",
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
_PERSONAL: Final = (
    r"\[(?:" + "|".join(KINDS) + r")\]",
    r"[A-Za-z0-9\x{c0}-\x{24f}+.%_\-]@[A-Za-z0-9\x{c0}-\x{24f}]",
    *_NUMBERS,
    rf"\+[ (]{{0,2}}\d(?:(?:{_SEPARATOR}|[()]){{0,3}}\d){{6}}",
    rf"\(0?\d{{1,5}}\){_SEPARATOR}{{0,3}}\d{{2}}",
    _BEGIN + rf"{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{7}}",
    _BEGIN + rf"{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}}::",
    rf"\B::(?:{_HEX}{{1,4}})",
    _BEGIN + rf"(?i:{'|'.join(IBAN_LENGTHS)})\d{{2}}(?:(?:[ .\-]|\x{{a0}})?[A-Za-z0-9]){{11}}",
    _BEGIN + r"[A-Za-z]{2}[ \-]?\d{2}[ \-]?\d{2}[ \-]?\d{2}[ \-]?[A-Da-d]\b",
    _BEGIN + r"[XYZxyz][\- ]?\d\.?\d{3}\.?\d{3}",
    _BEGIN + r"[A-Z]{3} ?[A-Z]{3} ?[0-9LMNPQRSTUV]{2}[A-T][0-9LMNPQRSTUV]{2} ?[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
    _BEGIN + r"[a-z]{6}\d{2}[a-t]\d{2}[a-z]\d{3}[a-z]",
)


@cache
def everything() -> "Suspect":
    """Return a search for all kinds. Raises ImportError where google-re2 is missing."""
    return _search(compiled("|".join(_PERSONAL + _CREDENTIALS)))


@cache
def credentials() -> "Suspect":
    """Return a search for credentials alone; raises like `everything`."""
    return _search(compiled("|".join((_PERSONAL[0], *_CREDENTIALS))))


def compiled(pattern: str) -> Any:
    """Compile with RE2, groups as plain brackets; raises `re2.error` for what RE2 cannot read."""
    re2: Any = import_module("re2")
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    return re2.compile(pattern, options)


def placeholders(names: tuple[str, ...]) -> str:
    """Return a pattern of the placeholders of these kinds."""
    return "|".join(rf"\[{placeholder(name)[1:-1]}\]" for name in names)


def _search(pattern: Any) -> "Suspect":
    try:
        return _direct_search(pattern)
    except Exception:  # noqa: BLE001 - another release of google-re2 may be built otherwise inside; its interface is slower
        return _public_search(pattern)


def _direct_search(pattern: Any) -> "Suspect":
    """Search without the generator and the match object that the public method makes: 2 µs a call."""
    match, unanchored = pattern._regexp.Match, import_module("re2._re2").RE2.Anchor.UNANCHORED  # noqa: SLF001 - see above

    def search(text: bytes, place: int) -> tuple[int, int]:
        start, end = match(unanchored, text, place, len(text))[0]
        return start, end

    if search(b" 10.1.1.1 @ password: x", 0)[0] < 0:
        raise TypeError
    return search


def _public_search(pattern: Any) -> "Suspect":
    def search(text: bytes, place: int) -> tuple[int, int]:
        found = pattern.search(text, place)
        return found.span() if found else (-1, -1)

    return search
