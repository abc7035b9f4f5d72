"""What passes is what a search of the whole event, and every consumer, lets pass; what repeats is searched once."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers import vetting
from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.scrubbing import holds_secret
from tokentrail.producers.vetting import Vetting
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import Usage, UsageSource

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"
OWN = "0123456789abcdef0123456789abcdef"
HEAD = (
    b'{"type":"llm.call.completed","schema_version":"1.0","event_id":"e","producer_id":"p","producer_seq":1,'
    b'"prev_hash":"%b","occurred_at":"2026-01-02T03:04:05.000006Z",' % (b"0" * 64)
)
TEXT_FIELDS = [
    (part, field.name)
    for part in (Call, Outcome)
    for field in msgspec.structs.fields(part)
    if field.type in {str, str | None}
]


def passes(known: Vetting, call: Call, outcome: Outcome | None = None) -> bool:
    ended = b"" if outcome is None else msgspec.json.encode(outcome)
    return known.passes(msgspec.json.encode(call), outcome, ended, (OWN,))


@pytest.fixture
def known() -> Vetting:
    """One that has seen harmless calls."""
    vetted = Vetting()
    for _ in range(2):
        assert passes(vetted, Call(provider="openai"), Outcome(status="SUCCESS", provider_usage={"tokens": 3}))
    return vetted


@pytest.mark.parametrize(("part", "name"), TEXT_FIELDS)
@pytest.mark.parametrize("secret", [KEY, OWN, f"req_{OWN}"])
def test_a_key_in_any_field_is_found(known: Vetting, part: type[Any], name: str, secret: str) -> None:
    said: dict[str, Any] = {name: secret}
    call, outcome = Call(provider="openai"), Outcome(status="SUCCESS")
    if part is Call:
        call = Call(**{"provider": "openai", **said})
    else:
        outcome = Outcome(**{"status": "SUCCESS", **said})

    assert not passes(known, call, outcome)
    assert not passes(known, call, outcome)


@pytest.mark.parametrize(
    "said",
    [
        {"provider_usage": {KEY: 1}},
        {"provider_usage": {"tokens": KEY}},
        {"provider_usage": {"a": {"b": {KEY: 1}}}},
        {"provider_usage": {"a": {"b": [KEY]}}},
        {"attributes": {"note": KEY}},
        {"attributes": {KEY: "note"}},
        {"redactions": {KEY: 1}},
        {"finish_reasons": ["stop", KEY]},
        {"provider_request_id": "AKIAIOSFODNN7EXAMPLE"},
        {"attributes": {"password": "hunter22secret"}},
    ],
)
def test_a_key_is_found_wherever_an_outcome_has_room_for_it(known: Vetting, said: dict[str, Any]) -> None:
    assert not passes(known, Call(provider="openai"), Outcome(**{"status": "SUCCESS", **said}))


texts = st.sampled_from(
    ["", "openai", "u-17", KEY, OWN, "x" * 501, 'a","status":"', 'b","call_id":"', "fc-" + "a1" * 20]
)
some_texts = st.none() | texts
usages = st.none() | st.recursive(
    st.none() | st.integers() | st.floats() | texts,
    lambda inner: st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
calls = st.fixed_dictionaries(
    {}, optional={name: some_texts for name in Call.__struct_fields__ if name != "stream"} | {"stream": st.booleans()}
)
outcomes = st.fixed_dictionaries(
    {"status": texts},
    optional={
        **dict.fromkeys((name for part, name in TEXT_FIELDS if part is Outcome and name != "status"), some_texts),
        "finish_reasons": st.lists(texts | st.dictionaries(texts, texts, max_size=2), max_size=3),
        "provider_usage": usages,
        "usage": st.builds(Usage, input_tokens=st.none() | st.integers()),
        "usage_source": st.sampled_from(UsageSource),
        "latency_ms": st.floats(),
        "http_status_code": st.integers(),
        "attributes": st.dictionaries(texts, texts, max_size=2),
    },
)


@given(st.lists(st.tuples(calls, outcomes), min_size=1, max_size=4))
def test_what_passes_is_read_by_every_consumer_and_holds_nothing(described: list[tuple[Any, Any]]) -> None:
    known = Vetting()
    for call_said, outcome_said in [*described, *described]:
        call, outcome = Call(**call_said), Outcome(**outcome_said)
        encoded, ended = msgspec.json.encode(call), msgspec.json.encode(outcome)
        if known.passes(encoded, outcome, ended, (OWN,)):
            assert not isinstance(decode_event(HEAD + encoded[1:-1] + b"," + ended[1:]), Rejected)
            assert not holds_secret(encoded, (OWN,))
            assert not holds_secret(ended, (OWN,))


def test_calls_that_repeat_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[bytes] = []

    def search(encoded: bytes) -> bool:
        searched.append(encoded)
        return False

    monkeypatch.setattr(vetting, "looks_secret", search)
    recorder = Recorder(lambda _record: True)

    def record() -> int:
        call = Call(provider="openai", user_agent="OpenAI/Python", request_model="gpt-4.1", trace_id=OWN)
        counts = {"prompt_tokens": 119, "details": {"cached_tokens": 0}}
        recorder.started(call)
        outcome = Outcome(status="SUCCESS", http_method="POST", provider_usage=counts, latency_ms=1.5)
        outcome.provider_request_id = "req_0123"
        recorder.completed(call, outcome)
        return len(searched)

    first = record()
    assert first
    assert [record() for _ in range(3)] == [first] * 3
    assert recorder.stats().mended == 0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vetting, "_MOST_REMEMBERED", 10)
    known = Vetting()
    for number in range(50):
        assert passes(known, Call(feature=f"feature {number}"))
    assert len(known._passed) <= 10
