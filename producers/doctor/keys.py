"""What can be told of an API key by looking at it. Nothing here shows the key, or any part of it but a known prefix."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tokentrail.producers.doctor.findings import Finding, broken, doubtful, well
from tokentrail.producers.doctor.targets import Target
from tokentrail.producers.providers import provider_named, providers

MIN_KEY_CHARS: Final = 20
"""No provider that is known here gives out shorter ones."""
_QUOTES: Final = "\"'`\u201c\u201d\u2018\u2019"
"""The last four are those that word processors make."""
_PLACEHOLDER: Final = re.compile(
    r"your[-_](?:api|key|token|openai|secret)|change[-_]?me|placeholder|x{6}|\*{3}|\.{3}|^<.*>$|^\$|^\{\{"
    r"|^(?:sk-)?(?:test|dummy|fake|none|null|empty|todo)$|^(?:[a-z]+[-_])?(?:api|secret)[-_]?key$",
    re.IGNORECASE,
)
_PRINTABLE: Final = range(0x21, 0x7F)


class KeyDiagnosis(NamedTuple):
    """What was found, and the key as it should have been; None where no request can be made with it."""

    findings: list[Finding]
    usable: str | None


def diagnose_key(key: str | None, variable: str, target: Target) -> KeyDiagnosis:
    """Look at a key that should be one of the target's."""
    if key is None:
        if not target.needs_key:
            return KeyDiagnosis(
                [_odd(target, f"{variable} is not set; no key is sent.", "Name it with --key-env.")], None
            )
        return KeyDiagnosis([_bad(target, f"{variable} is not set.", f"export {variable}=…")], None)
    if not key.strip():
        what = "is empty" if not key else "holds nothing but white space"
        return KeyDiagnosis(
            [_bad(target, f"{variable} {what}.", "Set it to the key; an empty one hides another.")], None
        )
    core = _unwrap(key)
    findings = [*_wrapping(key, variable, target), *_content(core, variable, target)]
    unusable = any(character.isspace() or ord(character) not in _PRINTABLE for character in core)
    if not findings:
        prefix = _prefix_of(core)
        shown = f", beginning with {prefix}" if prefix else ""
        findings.append(well(target.name, "key", f"{variable} looks like a key: {len(core)} characters{shown}."))
    return KeyDiagnosis(findings, None if unusable or not core else core)


def _wrapping(key: str, variable: str, target: Target) -> Iterator[Finding]:
    """Yield what stands around the key and does not belong to it."""
    stripped = key.strip()
    if key != stripped:
        kind = "a line break" if key.strip(" \t") != stripped else "white space"
        yield _bad(
            target, f"{variable} begins or ends with {kind}; SDKs send it as it is, or fail.",
            "Take it out where the variable is set; `$(cat file)` is safe, a mounted secret read whole is not.",
        )  # fmt: skip
    if stripped[0] in _QUOTES or stripped[-1] in _QUOTES:
        yield _bad(
            target, f"{variable} stands in quotes, which are taken as part of it.",
            "Leave the quotes out where the variable is set: env files of Docker and systemd keep them.",
        )  # fmt: skip
    if stripped.strip(_QUOTES).lower().startswith("bearer "):
        yield _bad(target, f"{variable} begins with Bearer.", "Leave that word out: SDKs put it there.")


def _content(core: str, variable: str, target: Target) -> Iterator[Finding]:
    """Yield what is wrong with the key itself."""
    if any(character.isspace() for character in core):
        yield _bad(target, f"{variable} has white space inside.", "It may be two keys, or a broken line: set it anew.")
        return
    odd = next((at for at, character in enumerate(core) if ord(character) not in _PRINTABLE), None)
    if odd is not None:
        yield _bad(
            target, f"{variable} has a character that no key has, U+{ord(core[odd]):04X}, at position {odd + 1}.",
            "It came with copying from a page or a chat: copy the key from the provider's console.",
        )  # fmt: skip
        return
    if _PLACEHOLDER.search(core):
        yield _bad(target, f"{variable} looks like a placeholder, not a key.", "Set it to a real key.")
        return
    known = bool(provider_named(target.provider))
    if len(core) < MIN_KEY_CHARS:
        report = _bad if known else _odd
        yield report(
            target, f"{variable} has {len(core)} characters: too short for a key.", "Part of it may be missing."
        )
    elif known:
        yield from _origin(core, variable, target)


def _origin(core: str, variable: str, target: Target) -> Iterator[Finding]:
    prefix = _prefix_of(core)
    owners = sorted(one.name for one in providers() if prefix and prefix in one.key_prefixes)
    provider = provider_named(target.provider)
    own = provider.key_prefixes if provider else ()
    if owners and target.provider not in owners:
        yield _bad(
            target, f"{variable} begins with {prefix}, as keys of {' and '.join(owners)} do.",
            f"Set it to a key of {target.name}, or ask the provider that the key belongs to.",
        )  # fmt: skip
    elif own and not owners:
        yield _odd(
            target, f"{variable} does not begin as keys of {target.name} do ({', '.join(own)}).",
            "See that it is this provider's; keys of relays and proxies may look otherwise.",
        )  # fmt: skip


def _prefix_of(core: str) -> str:
    """Return the longest prefix of any provider's keys that the key begins with: sk-ant- goes before sk-."""
    known = (prefix for one in providers() for prefix in one.key_prefixes)
    return max((prefix for prefix in known if core.startswith(prefix)), key=len, default="")


def _unwrap(key: str) -> str:
    core = key.strip().strip(_QUOTES).strip()
    return core[len("bearer ") :].strip() if core.lower().startswith("bearer ") else core


def _bad(target: Target, what: str, advice: str) -> Finding:
    return broken(target.name, "key", what, advice)


def _odd(target: Target, what: str, advice: str) -> Finding:
    return doubtful(target.name, "key", what, advice)
