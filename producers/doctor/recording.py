"""Whether calls to the addresses that are configured would be recorded: known providers and named relays alone are."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tokentrail.errors import SettingsError
from tokentrail.producers.doctor.findings import Finding, broken, doubtful
from tokentrail.producers.providers import provider_of
from tokentrail.producers.relays import read_relays

_BASE_VARIABLES: Final = {
    "OPENAI_BASE_URL": "openai",
    "OPENAI_API_BASE": "openai",
    "ANTHROPIC_BASE_URL": "anthropic",
    "GOOGLE_GEMINI_BASE_URL": "gemini",
    "AZURE_OPENAI_ENDPOINT": "azure",
}
"""By which SDKs and frameworks are sent elsewhere, and whose they are."""


def check_recorded(environ: Mapping[str, str], base_url: str | None, relays: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each base URL whose host no shim would touch. Shows neither user nor password of a URL."""
    try:
        named = read_relays(relays)
    except SettingsError as error:
        yield broken("settings", "relays", str(error), "Until it is mended, nothing is recorded.")
        return
    given = {variable: environ.get(variable, "").strip() for variable in _BASE_VARIABLES}
    for source, url in {**given, "--base-url": base_url or ""}.items():
        address = urlsplit(url)
        if not address.hostname or _is_recorded(address, named):
            continue
        shown = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        yield doubtful(
            _BASE_VARIABLES.get(source, address.hostname), "relays",
            f"{source} is {shown}, whose host is no provider known here and no relay of the settings: calls there are "
            "not recorded.",
            f'Put my-relay = "{shown}" under [relays] in tokentrail.toml, my-relay being its name in reports; '
            "install(relays={…}) does the same, and is not seen here.",
        )  # fmt: skip


def _is_recorded(address: SplitResult, named: Mapping[str, str]) -> bool:
    host = address.hostname or ""
    try:
        port = address.port
    except ValueError:  # a port that is none; the connection will tell
        return True
    keys = {host, f"{host}:{port}", f"{host}:{port or {'http': 80, 'https': 443}.get(address.scheme)}"}
    return bool(keys & named.keys()) or provider_of(host, port) is not None
