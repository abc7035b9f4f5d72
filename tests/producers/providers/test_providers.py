"""Providers are told by their hosts; each speaks for itself in one file and is held to a recorded exchange."""

import importlib
import pkgutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from recorded_exchanges import exchange_names, load_exchange

from tokentrail.producers import providers as registry
from tokentrail.producers.providers import Provider, provider_named, provider_of, providers
from tokentrail.producers.wire.choosing import openai_wire

EXCHANGES = {name: load_exchange(name) for name in exchange_names()}
OWN_HOSTS = [(provider, host) for provider in providers() for host in provider.hosts]


@pytest.mark.parametrize("provider", providers(), ids=lambda provider: provider.name)
def test_provider_has_an_exchange(provider: Provider) -> None:
    assert any(exchange["provider"] == provider.name for exchange in EXCHANGES.values())


@pytest.mark.parametrize("name", EXCHANGES)
def test_exchange_is_recognised_by_its_host(name: str) -> None:
    url = urlsplit(EXCHANGES[name]["url"])
    provider = provider_of(url.hostname or "", url.port)

    expected = EXCHANGES[name]["provider"]
    assert (provider.name if provider else None) == (None if expected in {"", "vllm"} else expected)


def test_every_file_of_the_package_holds_a_provider() -> None:
    files = {module.name for module in pkgutil.iter_modules(registry.__path__)} - {"provider"}
    found = [importlib.import_module(f"{registry.__name__}.{file}").PROVIDER for file in files]

    assert sorted(found, key=lambda provider: provider.name) == list(providers())
    assert len({provider.name for provider in found}) == len(found)


@pytest.mark.parametrize(("provider", "host"), OWN_HOSTS, ids=[host for _, host in OWN_HOSTS])
def test_host_of_a_provider_is_its_own_alone(provider: Provider, host: str) -> None:
    name, _, port = host.replace("*", "eu-west-1").removeprefix(".").rpartition(":")
    if not name or not port.isdigit():
        name, port = host.replace("*", "eu-west-1").removeprefix("."), ""

    assert provider_of(name, int(port) if port else 443) is provider
    assert provider_of(name.upper(), int(port) if port else None) is provider
    assert provider_of(f"not-{name}.example.com", int(port) if port else 443) is None


@pytest.mark.parametrize(
    ("host", "port", "name"),
    [
        ("eu.api.openai.com", 443, "openai"),
        ("api.openai.com.", 443, "openai"),
        ("checkout.openai.azure.com", 443, "azure.ai.openai"),
        ("europe-west4-aiplatform.googleapis.com", None, "gcp.vertex_ai"),
        ("bedrock-runtime.us-gov-west-1.amazonaws.com", None, "aws.bedrock"),
        ("vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com", None, "aws.bedrock"),
        ("localhost", 11434, "ollama"),
    ],
)
def test_hosts_below_and_beside_are_found(host: str, port: int | None, name: str) -> None:
    provider = provider_of(host, port)

    assert provider is not None
    assert provider.name == name


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("localhost", 8000),
        ("localhost", None),
        ("s3.us-east-1.amazonaws.com", 443),
        ("storage.googleapis.com", 443),
        ("openai.com", 443),
        ("evilapi.openai.com.example", 443),
        ("evil-openai.azure.com", 443),
        ("", None),
        ("::1", 443),
    ],
)
def test_everybody_else_is_no_provider(host: str, port: int | None) -> None:
    assert provider_of(host, port) is None


def test_provider_is_found_by_its_name() -> None:
    found = provider_named("openai")

    assert found is not None
    assert found.wire is openai_wire
    assert "sk-proj-" in found.key_prefixes
    assert provider_named("nobody") is None


def test_documentation_lists_every_provider() -> None:
    page = (Path(__file__).parents[3] / "docs" / "providers.md").read_text()

    assert [provider.name for provider in providers() if f"| `{provider.name}` |" not in page] == []
