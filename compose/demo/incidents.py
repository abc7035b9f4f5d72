"""The three incidents of the demo: what goes wrong, when, and which alert must tell of it."""

from collections.abc import Callable
from typing import Final

import msgspec

from tokentrail.compose.demo.tenants import ENGINEERING, FINANCE, SALES, Attribution


class Finding(msgspec.Struct, frozen=True, order=True):
    """What an alert is about."""

    rule: str
    dimension: str
    entity: str


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong during the live part. Times count from the start of live traffic."""

    label: str
    rule: str
    dimension: str
    entity: str
    """For a key its plain value: `expect_finding` puts in the fingerprint."""
    start_s: float
    duration_s: float
    calls: int
    input_tokens: int
    output_tokens: int
    attribution: Attribution
    fault_status: int | None = None
    """What the provider answers for the model meanwhile; None: it is well."""


# A person's script without a pause between its calls; the prompts are short, so that tokens stay usual.
USER_BURST: Final = Incident(
    label="burst by one user",
    rule="high_request_volume",
    dimension="user_id",
    entity="nora.dahl",
    start_s=2.0,
    duration_s=4.0,
    calls=260,
    input_tokens=60,
    output_tokens=24,
    attribution=Attribution(SALES, "nora.dahl", "gpt-4o-mini", "email-drafts"),
)
# One model of a provider is overloaded, and a scheduled job keeps asking for it; so do the people who use it meanwhile.
MODEL_ERRORS: Final = Incident(
    label="error storm on one model",
    rule="high_error_rate",
    dimension="request_model",
    entity="claude-sonnet-4-5",
    start_s=5.0,
    duration_s=4.0,
    calls=200,
    input_tokens=400,
    output_tokens=24,
    attribution=Attribution(ENGINEERING, None, "claude-sonnet-4-5", "code-completion"),
    fault_status=503,
)
# A job reads whole documents on a team's shared key. It has no user, so that the key alone shows it.
KEY_SPIKE: Final = Incident(
    label="token spike on one key",
    rule="token_spike",
    dimension="api_key_id",
    entity=FINANCE.api_key,
    start_s=8.0,
    duration_s=4.0,
    calls=70,
    input_tokens=12_000,
    output_tokens=200,
    attribution=Attribution(FINANCE, None, "gpt-5-mini", "invoice-extraction"),
)
PROVIDER_ADDRESS: Final = "127.0.0.1"
"""Where the demo's provider answers."""
INCIDENTS: Final = (USER_BURST, MODEL_ERRORS, KEY_SPIKE)


def expect_finding(incident: Incident, fingerprint: Callable[[str], str]) -> Finding:
    """Return the alert that must tell of an incident. `fingerprint` turns a key into its `api_key_id`."""
    entity = fingerprint(incident.entity) if incident.dimension == "api_key_id" else incident.entity
    return Finding(incident.rule, incident.dimension, entity)


def find_touched(incident: Incident, fingerprint: Callable[[str], str]) -> dict[str, str]:
    """Return what an incident touches beside that, as event field → value: the thing itself, and what is around it.

    Faults touch the service, the provider and its address; what somebody does too much of touches who does it.
    """
    who = incident.attribution
    own = {"api_key_id": fingerprint(who.team.api_key), "user_id": who.user_id, "feature": who.feature}
    if incident.fault_status is not None:
        around = {"service": who.team.service, "provider": who.team.provider, "request_model": who.model}
        own = {**around, "server_address": PROVIDER_ADDRESS}
    return {field: value for field, value in own.items() if value is not None}
