"""`capture()`: what records a client's calls into this process's trail."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Literal, get_args

from tokentrail.errors import SettingsError
from tokentrail.producers.capture import Capture
from tokentrail.producers.relays import read_relays
from tokentrail.producers.trail import default_recorder, default_redactor, default_scribe, is_strict
from tokentrail.settings import current_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokentrail.producers.describing import Describer
    from tokentrail.producers.recorder import Recorder

ContentName = Literal["off", "preview", "full"]
CONTENT_NAMES: Final = get_args(ContentName)


def capture(  # noqa: PLR0913 - keywords only, one a label
    *,
    service: str | None = None,
    environment: str | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    department: str | None = None,
    feature: str | None = None,
    request_source: str | None = None,
    provider: str | None = None,
    relays: Mapping[str, str] | None = None,
    content: ContentName | None = None,
    recorder: Recorder | None = None,
) -> Capture:
    """Return what records a client's calls; give it to `wrap_transport` with a transport of your own.

    Labels are defaults: `tokentrail.context` goes before them. `relays` names the provider behind an address of your
    own (`{"holysheep": "https://api.holysheep.ai/v1"}`), `provider` names it for all. `content` is what is kept of
    prompts and answers: "off", "preview" or "full"; without it the setting `content`. Without `recorder`, this
    process's own is used: made from the settings on the first call.

    Raises:
        SettingsError: a relay has no address, `content` is none of the three, or the settings cannot be used.
    """
    given = {
        "user_id": user_id, "session_id": session_id, "department": department, "feature": feature,
        "request_source": request_source,
    }  # fmt: skip
    describer = partial(
        _make_describer,
        {name: value for name, value in given.items() if value is not None},
        provider,
        known_relays(relays),
        _content_name(content),
    )
    find_recorder = partial(default_recorder, service, environment) if recorder is None else lambda: recorder
    if current_settings().redact:
        default_redactor()  # a pattern that cannot be used is told here, and not in the first call
    made = Capture(find_recorder, describer, default_scribe, strict=is_strict())
    made.warm_up()
    if recorder is None:
        default_scribe().put(find_recorder)  # the way to Kafka is imported before the first record needs it
    return made


def known_relays(relays: Mapping[str, str] | None) -> dict[str, str]:
    """Return the relays of the settings and the given ones, which go before them, as `read_relays` does."""
    read_relays(relays)  # what is no table cannot be laid over the settings
    return read_relays({**current_settings().relays, **(relays or {})})


def _content_name(name: str | None) -> str:
    if name is None:
        return current_settings().content
    if name not in CONTENT_NAMES:
        raise SettingsError(f"content is {name!r}; it can be off, preview or full.")
    return name


def _make_describer(labels: dict[str, str], provider: str | None, relays: dict[str, str], content: str) -> Describer:
    from tokentrail.producers.content import Content
    from tokentrail.producers.describing import CaptureOptions, Describer
    from tokentrail.producers.fingerprints import default_fingerprints
    from tokentrail.producers.redaction.policy import ContentPolicy

    options = CaptureOptions(labels=labels, provider=provider, relays=relays)
    return Describer(options, default_fingerprints(), Content(ContentPolicy(content), default_redactor))
