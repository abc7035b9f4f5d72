"""What is known of a provider: its name, its hosts, and what it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokentrail.producers.wire.reading import WireFormat


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One provider of LLM calls."""

    name: str
    """OpenTelemetry's `gen_ai.provider.name` where it has one, else our own."""
    hosts: tuple[str, ...]
    """`api.openai.com` for that host; `.openai.azure.com` for that one and all below it; `localhost:11434` for that
    port only; in `bedrock-runtime.*.amazonaws.com` the `*` stands for any characters."""
    wire: Callable[[str], WireFormat]
    """Which format a path (no query) speaks."""
    key_prefixes: tuple[str, ...] = ()
    """How this provider's keys begin."""
