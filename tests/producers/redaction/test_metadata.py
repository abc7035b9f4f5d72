"""Credentials in metadata: events as they are about to leave, error messages, user agents."""

import json
import random
import uuid

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_prompts import PromptMaker

from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.redaction import engine, finder, holds_secret, redact_secrets

_maker = PromptMaker(9_090)
CREDENTIALS = [
    getattr(_maker.values, kind)() for kind in ("jwt", "api_key", "private_key", "webhook") for _ in range(40)
]


def _event(chance: random.Random, **fields: str) -> bytes:
    call = Call(
        user_id=f"u-{chance.randint(1, 10**9)}",
        session_id=str(uuid.UUID(int=chance.getrandbits(128))),
        trace_id=f"{chance.getrandbits(128):032x}",
        ip_address="203.0.113.9",
        user_agent="OpenAI/Python 3.54.0 (mailto:ops@example.com)",
        api_key_id=f"hmac1:ab12cd34:{chance.getrandbits(256):064x}",
        api_key_hint=chance.choice(("sk-…abcd", "sk-proj-…wxyz", "AIza…9_-x", "…1234", "gsk_…")),
        provider="openai",
        server_address="api.openai.com",
        endpoint="/v1/chat/completions",
        request_model="gpt-4o-mini",
    )
    outcome = Outcome(
        status="AUTH_FAILED",
        error_type="invalid_request_error",
        error_code="invalid_api_key",
        auth_method="bearer",
        auth_result="token_expired",
        request_hash=f"hmac1:ab12cd34:{chance.getrandbits(128):032x}",
        provider_usage={"prompt_tokens": 812, "token": 3, "total_tokens": 911, "secret": None},
        redactions={"password": 12, "api_key": 3, "secret": 100, "private_key": 1},
        prompt_preview="my password is [password], key=[api_key]; Bearer [secret], call +1 415 555 2671",
        attributes={"note": "[key sk-…abcd] was refused, [key removed]", **fields},
    )
    return msgspec.json.encode(call)[:-1] + b"," + msgspec.json.encode(outcome)[1:]


def test_an_events_own_fields_hold_no_secret() -> None:
    chance = random.Random(1)
    for _ in range(500):
        event = _event(chance)
        assert not holds_secret(event), redact_secrets(event.decode())


@given(
    st.sampled_from(CREDENTIALS), st.text(max_size=20), st.sampled_from(["", "\n", "\t", "\x00", '"', "\\", "(", "é"])
)
@settings(deadline=None)
def test_a_credential_anywhere_in_an_event_is_seen(secret: str, noise: str, before: str) -> None:
    text = f"{noise} {before}{secret} {noise}".encode("utf-8", "replace").decode()
    assert holds_secret(_event(random.Random(2), echoed=text))
    assert holds_secret(json.dumps({"echoed": text}).encode())


def test_credentials_go_and_personal_data_stays() -> None:
    text = "user joe@example.com (203.0.113.9) sent sk-abcdEFGH1234567890 and https://u:hunter22@h/p"
    assert redact_secrets(text) == "user joe@example.com (203.0.113.9) sent [api_key] and https://u:[password]@h/p"
    assert redact_secrets(text, "[key removed]").count("[key removed]") == 2


@given(st.text())
@settings(deadline=None)
def test_any_text_goes_through(text: str) -> None:
    once = redact_secrets(text)
    assert redact_secrets(once) == once
    holds_secret(text.encode("utf-8", "surrogatepass"))


def test_without_the_engine_nothing_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(engine, "import_module", missing)
    finder.credentials.cache_clear()
    assert holds_secret(b"{}")
    assert redact_secrets("harmless") == "[text removed]"
