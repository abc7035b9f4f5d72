"""The LLM providers that are known by their hosts. One file a provider, found by being here; see docs/providers.md."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

__all__ = ["Provider", "generic_wire", "provider_named", "provider_of", "providers"]


@cache
def providers() -> tuple[Provider, ...]:
    """Return every provider, by name; reads the files of this package once."""
    found = (getattr(import_module(f"{__name__}.{module.name}"), "PROVIDER", None) for module in iter_modules(__path__))
    return tuple(sorted((one for one in found if isinstance(one, Provider)), key=lambda one: one.name))


@lru_cache(maxsize=2048)
def provider_of(host: str, port: int | None = None) -> Provider | None:
    """Return the provider behind a host; None where it is nobody's we know.

    Cheap enough for every request that a process makes: some 0.1 µs for a host asked for before.
    """
    return _registry().find(host.lower().rstrip("."), port)


def provider_named(name: str) -> Provider | None:
    """Return the provider of that name; None where there is none."""
    return _registry().by_name.get(name)


class _Registry:
    def __init__(self, known: tuple[Provider, ...]) -> None:
        self.by_name: Final = {provider.name: provider for provider in known}
        self._exact: dict[str, Provider] = {}
        self._below: dict[str, Provider] = {}
        self._patterns: list[tuple[re.Pattern[str], Provider]] = []
        for provider in known:
            for host in provider.hosts:
                self._enter(host, provider)

    def _enter(self, host: str, provider: Provider) -> None:
        if "*" in host:
            pattern = ".+".join(re.escape(part) for part in host.split("*"))
            self._patterns.append((re.compile(pattern), provider))
        elif host.startswith("."):
            self._below[host[1:]] = provider
        else:
            self._exact[host] = provider

    def find(self, host: str, port: int | None) -> Provider | None:
        found = self._exact.get(host) or self._exact.get(f"{host}:{port}")
        if found is not None:
            return found
        for name in _above(host):
            if name in self._below:
                return self._below[name]
        return next((provider for pattern, provider in self._patterns if pattern.fullmatch(host)), None)


@cache
def _registry() -> _Registry:
    return _Registry(providers())


def _above(host: str) -> Iterator[str]:
    while host:
        yield host
        host = host.partition(".")[2]
