"""Where each provider lists its models, and how it wants the key: from the providers' API references."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tokentrail.errors import SettingsError
from tokentrail.producers.providers import provider_of

BEARER: Final = "authorization"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One provider as the doctor asks it."""

    name: str
    """As people call it."""
    provider: str
    """As `tokentrail.producers.providers` calls it; for a host that is nobody's we know, the host."""
    base_url: str = ""
    path: str = "/models"
    """Below the base URL: what answers only to a good key, and says which models there are."""
    key_variables: tuple[str, ...] = ("OPENAI_API_KEY",)
    base_variable: str = ""
    """The variable by which the provider's own SDK is sent elsewhere."""
    key_header: str = BEARER
    headers: dict[str, str] = {}
    needs_key: bool = True
    """False: a server of one's own may do without."""

    @property
    def url(self) -> str:
        """The address that is asked."""
        base = self.base_url.rstrip("/")
        version = self.path[: self.path.find("/", 1)]
        # Some SDKs want the version in the base URL and some do not.
        return (base.removesuffix(version) if self.path.startswith(f"{version}/") else base) + self.path

    @property
    def host(self) -> str:
        """The host's name, without port."""
        return urlsplit(self.base_url).hostname or ""


def _compatible(name: str, provider: str, base_url: str, variable: str, path: str = "/models") -> Target:
    return Target(name=name, provider=provider, base_url=base_url, key_variables=(variable,), path=path)


TARGETS: Final = {
    target.name: target
    for target in (
        Target(name="openai", provider="openai", base_url="https://api.openai.com/v1", base_variable="OPENAI_BASE_URL"),
        Target(
            name="anthropic", provider="anthropic", base_url="https://api.anthropic.com", path="/v1/models",
            key_variables=("ANTHROPIC_API_KEY",), base_variable="ANTHROPIC_BASE_URL", key_header="x-api-key",
            headers={"anthropic-version": "2023-06-01"},
        ),
        Target(
            name="gemini", provider="gcp.gemini", base_url="https://generativelanguage.googleapis.com/v1beta",
            key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"), key_header="x-goog-api-key",
        ),
        Target(
            name="azure", provider="azure.ai.openai", path="/openai/models?api-version=2024-10-21",
            key_variables=("AZURE_OPENAI_API_KEY",), base_variable="AZURE_OPENAI_ENDPOINT", key_header="api-key",
        ),
        _compatible("deepseek", "deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
        _compatible("mistral", "mistral_ai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        _compatible("groq", "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        _compatible("xai", "x_ai", "https://api.x.ai/v1", "XAI_API_KEY"),
        _compatible("together", "together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
        _compatible("fireworks", "fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
        _compatible("cerebras", "cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
        _compatible("moonshot", "moonshot_ai", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
        # Its list of models is open to everybody and would say nothing of the key.
        _compatible("openrouter", "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "/key"),
    )
}  # fmt: skip


def choose_targets(
    environ: Mapping[str, str], name: str | None, base_url: str | None, key_variable: str | None
) -> list[Target]:
    """Return whom to ask: the one that is named, the one behind the URL, else each whose key is in the environment.

    Raises:
        SettingsError: the name or the URL is none.
    """
    if name is None and base_url is None and key_variable is None:
        present = [one for one in TARGETS.values() if any(variable in environ for variable in one.key_variables)]
        return [_placed(one, environ) for one in present]
    target = _named(name) if name is not None else _behind(base_url) if base_url is not None else TARGETS["openai"]
    target = _placed(target, environ) if base_url is None else msgspec.structs.replace(target, base_url=base_url)
    if urlsplit(target.base_url).scheme not in {"http", "https"} or not target.host:
        raise SettingsError(
            f"{target.name} has no address: give --base-url https://…"
            + (f", or set {target.base_variable}." if target.base_variable else ".")
        )
    return [target if key_variable is None else msgspec.structs.replace(target, key_variables=(key_variable,))]


def _named(name: str) -> Target:
    found = next((one for one in TARGETS.values() if name.lower() in {one.name, one.provider}), None)
    if found is None:
        raise SettingsError(f"{name!r} is no provider that is known here: {', '.join(TARGETS)}; or give --base-url.")
    return found


def _behind(base_url: str) -> Target:
    host = urlsplit(base_url).hostname or ""
    provider = provider_of(host)
    known = next((one for one in TARGETS.values() if provider is not None and one.provider == provider.name), None)
    if known is None:
        return Target(name=host, provider=provider.name if provider else host, base_url=base_url, needs_key=False)
    # The path of the URL that was given is kept: only what stands below it is the provider's own.
    return known


def _placed(target: Target, environ: Mapping[str, str]) -> Target:
    elsewhere = environ.get(target.base_variable, "").strip() if target.base_variable else ""
    return msgspec.structs.replace(target, base_url=elsewhere) if elsewhere else target
