"""All checks in order, each told as soon as it is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from tokentrail.errors import SettingsError
from tokentrail.producers.doctor.answers import ask, judge, judge_clock
from tokentrail.producers.doctor.connections import Place, check_connection
from tokentrail.producers.doctor.findings import Finding, Verdict, broken, doubtful, well
from tokentrail.producers.doctor.installation import check_pepper, check_settings, check_spool
from tokentrail.producers.doctor.kafka import check_kafka
from tokentrail.producers.doctor.keys import diagnose_key
from tokentrail.producers.doctor.recording import check_recorded
from tokentrail.producers.doctor.targets import choose_targets
from tokentrail.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tokentrail.producers.doctor.targets import Target

_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def examine(
    environ: Mapping[str, str],
    *,
    provider: str | None = None,
    base_url: str | None = None,
    key_variable: str | None = None,
) -> Iterator[Finding]:
    """Yield every finding: this service's own setup, each provider, Kafka. Takes seconds, more where hosts are silent.

    Raises:
        SettingsError: provider or URL is none.
    """
    targets = choose_targets(environ, provider, base_url, key_variable)
    try:
        settings = load_settings(environ)
    except SettingsError as error:
        settings = None
        yield broken("settings", "source", str(error), "Until it is mended, nothing is recorded.")
    if settings is not None:
        yield from check_settings(settings, environ, Path.cwd())
        yield check_pepper(settings)
        yield from check_spool(settings)
    if not targets:
        yield doubtful(
            "provider", "key", "No provider's key is in the environment.", "Name one: --provider openai, or --base-url."
        )
    if settings is not None:
        yield from check_recorded(environ, base_url, settings.relays)
    for target in targets:
        yield from examine_target(target, environ)
    if settings is not None:
        yield from check_kafka(settings)


def examine_target(target: Target, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what was found of one provider: key, connection, answer, clock."""
    variable = next((name for name in target.key_variables if name in environ), target.key_variables[0])
    findings, key = diagnose_key(environ.get(variable), variable, target)
    yield from findings
    parts = urlsplit(target.base_url)
    if parts.scheme == "http" and target.host not in _LOOPBACK:
        yield doubtful(
            target.name, "tls", f"{target.host} is asked without TLS: the key is sent in the clear.", "Use https://."
        )
    proxy = _proxy_of(target)
    if proxy is not None:
        yield well(target.name, "proxy", f"{target.host} is reached through the proxy {proxy.host}:{proxy.port}.")
    place = proxy or Place(target.name, target.host, parts.port or _PORTS[parts.scheme], parts.scheme == "https")
    for finding in check_connection(place):
        if finding.verdict is Verdict.FAIL:
            yield _with_advice(finding, _proxy_advice(target, proxy, environ))
            return
        yield finding
    if key is not None or (variable not in environ and not target.needs_key):
        mended = key is not None and key != environ.get(variable)
        for finding in _examine_answer(target, key, environ):
            yield _of_mended_key(finding, variable) if mended else finding


def _examine_answer(target: Target, key: str | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        answer = ask(target, key)
    except (OSError, ValueError) as error:  # its text may quote the request, and so the key
        kind = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
        silent = broken(
            target.name, "auth", f"{target.host} takes the connection and does not answer ({type(kind).__name__}).",
            "Try again; if it stays so, something in between may hold the answer back.",
        )  # fmt: skip
        yield _with_advice(silent, _proxy_advice(target, _proxy_of(target), environ))
        return
    yield from judge(target, answer)
    clock = judge_clock(target.name, answer)
    if clock is not None:
        yield clock


def _proxy_of(target: Target) -> Place | None:
    """Return the proxy that the environment names for the target; its user and password are left out."""
    scheme = urlsplit(target.base_url).scheme
    named = getproxies().get(scheme)
    if not named or proxy_bypass(target.host):
        return None
    proxy = urlsplit(named if "//" in named else f"//{named}")
    if not proxy.hostname:
        return None
    return Place(target.name, proxy.hostname, proxy.port or _PORTS["http"], proxy.scheme == "https")


def _proxy_advice(target: Target, proxy: Place | None, environ: Mapping[str, str]) -> str:
    """Return what the proxy settings may have to do with a connection that fails."""
    variable = f"{urlsplit(target.base_url).scheme.upper()}_PROXY"
    set_as = next((name for name in (variable.lower(), variable) if environ.get(name)), None)
    skipped_by = next((name for name in ("no_proxy", "NO_PROXY") if environ.get(name)), None)
    if proxy is not None:
        return (
            f"{set_as or variable} is set, and a likely cause: is {proxy.host}:{proxy.port} the right proxy? "
            f"NO_PROXY={target.host} goes around it."
        )
    if set_as and skipped_by:
        return f"{skipped_by} is set, and a likely cause: it keeps calls to {target.host} from the proxy of {set_as}."
    return f"Where a proxy must be used, set {variable}."


def _with_advice(finding: Finding, more: str) -> Finding:
    return msgspec.structs.replace(finding, advice=f"{finding.advice} {more}")


def _of_mended_key(finding: Finding, variable: str) -> Finding:
    """Return the finding as what it is: of a key that no SDK would send."""
    if finding.check != "auth" or finding.verdict is not Verdict.OK:
        return finding
    what = f"Without what stands around it, the key would do: {finding.what}"
    advice = f"As {variable} is set, calls fail or are refused: mend it."
    return doubtful(finding.about, finding.check, what, advice, **finding.figures)
