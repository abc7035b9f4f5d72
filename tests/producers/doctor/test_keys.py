"""What is wrong with a key is told by looking at it, and nothing of the key is shown."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokentrail.producers.doctor import keys
from tokentrail.producers.doctor.findings import Verdict
from tokentrail.producers.doctor.keys import diagnose_key
from tokentrail.producers.doctor.targets import TARGETS, Target

OPENAI = TARGETS["openai"]
RELAY = Target(name="llm.example.com", provider="llm.example.com", base_url="https://llm.example.com/v1")
GOOD = "sk-proj-Zq81mWc4Tn70LbXe55yR"


@pytest.mark.parametrize(
    ("key", "words", "usable"),
    [
        (None, "is not set", None),
        ("", "is empty", None),
        (" \n", "nothing but white space", None),
        (f"{GOOD}\n", "begins or ends with a line break", GOOD),
        (f" {GOOD}", "begins or ends with white space", GOOD),
        (f'"{GOOD}"', "stands in quotes", GOOD),
        (f"'{GOOD}", "stands in quotes", GOOD),
        (f"“{GOOD}”", "stands in quotes", GOOD),
        (f"Bearer {GOOD}", "begins with Bearer", GOOD),
        (f"{GOOD} {GOOD}", "white space inside", None),
        (f"sk-proj-\u200b{GOOD}", "U+200B, at position 9", None),
        ("your-api-key-here-please", "placeholder", "your-api-key-here-please"),
        ("<your key goes in here>", "white space inside", None),
        ("sk-xxxxxxxxxxxxxxxxxxxxxxxx", "placeholder", "sk-xxxxxxxxxxxxxxxxxxxxxxxx"),
        ("${OPENAI_API_KEY}", "placeholder", "${OPENAI_API_KEY}"),
        ("sk-proj-abc", "11 characters: too short", "sk-proj-abc"),
        ("sk-ant-api03-Zq81mWc4Tn", "begins with sk-ant-, as keys of anthropic do", "sk-ant-api03-Zq81mWc4Tn"),
        ("AIzaSyZq81mWc4Tn70LbXe55yR", "begins with AIza, as keys of gcp.gemini do", "AIzaSyZq81mWc4Tn70LbXe55yR"),
    ],
)
def test_a_key_that_will_not_do_is_told_of(key: str | None, words: str, usable: str | None) -> None:
    findings, found = diagnose_key(key, "OPENAI_API_KEY", OPENAI)
    assert any(words in finding.what and finding.verdict is Verdict.FAIL and finding.advice for finding in findings)
    assert found == usable


def test_every_mistake_is_told_at_once() -> None:
    findings, _ = diagnose_key('"Bearer sk-ant-api03-Zq81mWc4Tn70LbXe"\n', "OPENAI_API_KEY", OPENAI)
    assert len([finding for finding in findings if finding.verdict is Verdict.FAIL]) == 4


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("openai", GOOD),
        ("openai", "sk-Zq81mWc4Tn70LbXe55yR"),
        ("deepseek", "sk-Zq81mWc4Tn70LbXe55yR"),
        ("anthropic", "sk-ant-api03-Zq81mWc4Tn70LbXe"),
        ("mistral", "Zq81mWc4Tn70LbXe55yRZq81mWc4Tn70"),
        ("openrouter", "sk-or-v1-Zq81mWc4Tn70LbXe55yR"),
    ],
)
def test_a_key_as_it_should_be_is_well(name: str, key: str) -> None:
    (finding,), usable = diagnose_key(key, "KEY", TARGETS[name])
    assert (finding.verdict, usable) == (Verdict.OK, key)


def test_an_unknown_prefix_is_only_doubtful() -> None:
    (finding,), usable = diagnose_key("Zq81mWc4Tn70LbXe55yRZq81", "KEY", OPENAI)
    assert (finding.verdict, usable) == (Verdict.WARN, "Zq81mWc4Tn70LbXe55yRZq81")


def test_a_relay_may_give_out_keys_of_any_kind() -> None:
    assert diagnose_key("sk-ant-api03-Zq81mWc4Tn70LbXe", "KEY", RELAY).findings[0].verdict is Verdict.OK
    assert diagnose_key("hunter2", "KEY", RELAY).findings[0].verdict is Verdict.WARN


OWN_WORDS = Path(keys.__file__).read_text()
"""A key made of what the findings say anyway would be found in them."""


@settings(deadline=None)  # the first example reads the table of providers
@given(
    st.text(alphabet=st.characters(codec="utf-8"), min_size=6).filter(
        lambda key: len(set(key)) > 3 and key not in OWN_WORDS
    )
)
def test_no_finding_shows_the_key(key: str) -> None:
    for target in (OPENAI, RELAY):
        for finding in diagnose_key(key, "KEY", target).findings:
            shown = f"{finding.what} {finding.advice} {finding.figures}"
            assert key not in shown


@settings(deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=24))
def test_of_a_key_nothing_is_shown_but_its_prefix(tail: str) -> None:
    for prefix in ("sk-proj-", "sk-ant-", ""):
        for finding in diagnose_key(prefix + tail, "KEY", OPENAI).findings:
            assert not any(tail[at : at + 12] in f"{finding.what} {finding.advice}" for at in range(len(tail) - 11))
