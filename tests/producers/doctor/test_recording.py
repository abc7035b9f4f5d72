"""Whether the addresses that are configured would be recorded."""

import pytest

from tokentrail.producers.doctor.findings import Verdict
from tokentrail.producers.doctor.recording import check_recorded


@pytest.mark.parametrize(
    ("environ", "base_url", "relays"),
    [
        ({}, None, {}),
        ({"OPENAI_BASE_URL": "https://api.openai.com/v1"}, None, {}),
        ({"OPENAI_BASE_URL": "http://localhost:11434/v1"}, None, {}),
        ({"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com"}, None, {}),
        ({"OPENAI_BASE_URL": "https://relay.example/v1"}, None, {"relay": "https://relay.example"}),
        ({"OPENAI_BASE_URL": "https://relay.example/v1"}, None, {"relay": "https://relay.example:443/v1"}),
        ({"OPENAI_BASE_URL": "https://relay.example:8443/v1"}, None, {"relay": "relay.example:8443"}),
        ({}, "https://relay.example/v1", {"relay": "relay.example"}),
    ],
)
def test_known_hosts_and_named_relays_are_recorded(
    environ: dict[str, str], base_url: str | None, relays: dict[str, str]
) -> None:
    assert list(check_recorded(environ, base_url, relays)) == []


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"])
def test_any_other_base_url_is_told_of_with_what_to_set(variable: str) -> None:
    (found,) = check_recorded({variable: "https://joe:hunter2@relay.example:8443/v1"}, None, {"else": "https://a.b"})
    assert found.verdict is Verdict.WARN
    assert found.what.startswith(f"{variable} is https://relay.example:8443/v1, ")
    assert "not recorded" in found.what
    assert 'my-relay = "https://relay.example:8443/v1" under [relays]' in found.advice
    assert "hunter2" not in f"{found.what}{found.advice}"


def test_a_relay_without_a_host_is_told_of_once() -> None:
    (found,) = check_recorded({"OPENAI_BASE_URL": "https://relay.example"}, None, {"relay": "https://"})
    assert (found.verdict, "'relay'" in found.what) == (Verdict.FAIL, True)
