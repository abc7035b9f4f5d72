"""What the doctor has to say: one finding a check."""

from enum import StrEnum
from typing import Any

import msgspec


class Verdict(StrEnum):
    """How a check ended. WARN: it works, but perhaps not as meant. FAIL: something does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one check; holds no key and no password."""

    about: str
    """What was looked at: `settings`, `kafka`, the name of a provider."""
    check: str
    verdict: Verdict
    what: str
    """One sentence: what was found."""
    advice: str = ""
    """What to do about it; empty where all is well."""
    figures: dict[str, Any] = {}


def well(about: str, check: str, what: str, **figures: Any) -> Finding:
    """Return the finding that all is well."""
    return Finding(about=about, check=check, verdict=Verdict.OK, what=what, figures=figures)


def doubtful(about: str, check: str, what: str, advice: str, **figures: Any) -> Finding:
    """Return the finding that something may not be as meant."""
    return Finding(about=about, check=check, verdict=Verdict.WARN, what=what, advice=advice, figures=figures)


def broken(about: str, check: str, what: str, advice: str, **figures: Any) -> Finding:
    """Return the finding that something does not work."""
    return Finding(about=about, check=check, verdict=Verdict.FAIL, what=what, advice=advice, figures=figures)
