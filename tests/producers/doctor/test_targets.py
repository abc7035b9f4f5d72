"""Whom the doctor asks."""

import pytest

from tokentrail.errors import SettingsError
from tokentrail.producers.doctor.targets import TARGETS, choose_targets
from tokentrail.producers.providers import provider_named, provider_of


def test_each_provider_whose_key_is_there_is_asked() -> None:
    chosen = choose_targets({"OPENAI_API_KEY": "", "GOOGLE_API_KEY": "x"}, None, None, None)
    assert [target.name for target in chosen] == ["openai", "gemini"]


@pytest.mark.parametrize(
    ("name", "base_url", "key_variable", "url", "variable"),
    [
        ("openai", None, None, "https://api.openai.com/v1/models", "OPENAI_API_KEY"),
        ("x_ai", None, None, "https://api.x.ai/v1/models", "XAI_API_KEY"),
        ("gcp.gemini", None, None, "https://generativelanguage.googleapis.com/v1beta/models", "GEMINI_API_KEY"),
        (None, None, "MY_KEY", "https://api.openai.com/v1/models", "MY_KEY"),
        (None, "https://llm.example.com/v1/", None, "https://llm.example.com/v1/models", "OPENAI_API_KEY"),
        (None, "https://api.anthropic.com", None, "https://api.anthropic.com/v1/models", "ANTHROPIC_API_KEY"),
        (None, "https://api.anthropic.com/v1", None, "https://api.anthropic.com/v1/models", "ANTHROPIC_API_KEY"),
        ("openai", "http://127.0.0.1:8000/v1", "MY_KEY", "http://127.0.0.1:8000/v1/models", "MY_KEY"),
        ("azure", "https://acme.openai.azure.com/", None,
         "https://acme.openai.azure.com/openai/models?api-version=2024-10-21", "AZURE_OPENAI_API_KEY"),
    ],
)  # fmt: skip
def test_address_and_key_follow_from_what_is_given(
    name: str | None, base_url: str | None, key_variable: str | None, url: str, variable: str
) -> None:
    (target,) = choose_targets({}, name, base_url, key_variable)
    assert (target.url, target.key_variables[0]) == (url, variable)


def test_the_variable_that_sends_the_sdk_elsewhere_sends_the_doctor_too() -> None:
    (target,) = choose_targets({"OPENAI_BASE_URL": "https://llm.example.com/v1"}, "openai", None, None)
    assert target.url == "https://llm.example.com/v1/models"


@pytest.mark.parametrize(
    ("name", "base_url", "words"),
    [
        ("opnai", None, "no provider that is known"),
        ("azure", None, "AZURE_OPENAI_ENDPOINT"),
        (None, "api.openai.com", "--base-url https://"),
        (None, "ftp://example.com", "--base-url https://"),
    ],
)
def test_what_cannot_be_asked_is_said(name: str | None, base_url: str | None, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        choose_targets({}, name, base_url, None)


@pytest.mark.parametrize("target", [one for one in TARGETS.values() if one.base_url], ids=lambda one: one.name)
def test_every_target_is_a_provider_that_is_known_by_its_host(target: object) -> None:
    found = provider_of(target.host)  # type: ignore[attr-defined] # ids want an object
    assert found is provider_named(target.provider)  # type: ignore[attr-defined] # as above
    assert found is not None
