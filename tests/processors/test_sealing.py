"""What is cut out of an event, that it comes back byte for byte, and that nothing else opens it."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.sealing import PERSONAL_FIELDS, UnsealError, cut_out, seal, subject_of, unseal
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import CallCompleted, CallStarted

KEY = AESGCM(bytes(range(32)))
HEAD = {
    "type": "llm.call.completed", "schema_version": "1.0", "event_id": "e", "producer_id": "p", "producer_seq": 1,
    "prev_hash": "0" * 64, "occurred_at": "2026-11-21T12:00:00Z", "call_id": "c", "status": "SUCCESS",
}  # fmt: skip
MARK = "Zq7marker"

texts = st.text(max_size=12).map(lambda text: MARK + text) | st.just(MARK + '\\"user_id":"x') | st.just(MARK + "\u2028")
personal = st.dictionaries(st.sampled_from(PERSONAL_FIELDS), texts)
others = st.dictionaries(
    st.sampled_from(["x", "userid", '"user_id', "user_id\\", "provider_usage_2", "é"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.sampled_from(PERSONAL_FIELDS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
attributes = st.dictionaries(st.sampled_from(["country", "user_id", "attributes", "a\\b", '"']), texts, max_size=3)


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """Return a completed call in any form of JSON: order, blanks, escapes, names that stand twice."""
    fields: list[tuple[str, Any]] = [*HEAD.items(), *draw(personal).items(), *draw(others).items()]
    if draw(st.booleans()):
        fields.append(("attributes", draw(attributes)))
    if draw(st.booleans()):
        fields.append(("user_id", MARK + "twice"))
    blank, ascii_only = draw(st.sampled_from(["", " ", "\n\t"])), draw(st.booleans())

    def name(text: str) -> str:
        spelled = json.dumps(text, ensure_ascii=ascii_only)
        return spelled.replace("u", "\\u0075", 1) if text in PERSONAL_FIELDS and draw(st.booleans()) else spelled

    pairs = [
        f"{name(key)}{blank}:{blank}{json.dumps(value, ensure_ascii=ascii_only)}"
        for key, value in draw(st.permutations(fields))
    ]
    return ("{" + f"{blank},{blank}".join(pairs) + "}").encode(errors="replace")


@given(events(), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_what_was_sealed_comes_back_byte_for_byte(payload: bytes, partition: int, offset: int) -> None:
    cut = cut_out(payload)
    sealed = seal(cut.pieces, KEY, partition, offset)
    assert unseal(cut.public, sealed, KEY, partition, offset) == payload


@given(events())
def test_the_public_part_is_an_event_without_a_personal_value(payload: bytes) -> None:
    public = cut_out(payload).public
    event = decode_event(public)
    assert isinstance(event, CallCompleted)
    assert [getattr(event, name) for name in PERSONAL_FIELDS] == [None] * len(PERSONAL_FIELDS)
    assert not any((event.attributes or {}).values())
    assert MARK.encode() not in public


@given(events())
def test_everything_else_stays_as_it_was(payload: bytes) -> None:
    before, after = json.loads(payload), json.loads(cut_out(payload).public)
    assert list(before) == list(after)
    kept = before.keys() - {*PERSONAL_FIELDS, "attributes"}
    assert {name: before[name] for name in kept} == {name: after[name] for name in kept}
    assert (before.get("attributes") or {}).keys() == (after.get("attributes") or {}).keys()


def test_attributes_that_are_kept_and_our_own_counts_stay_readable() -> None:
    payload = msgspec.json.encode(
        {**HEAD, "attributes": {"team": "blue", "mail": "a@b", "tokentrail.dropped_events": "3"}}
    )
    attributes_left = json.loads(cut_out(payload, {"team"}).public)["attributes"]
    assert attributes_left == {"team": "blue", "mail": "", "tokentrail.dropped_events": "3"}


def test_an_event_without_personal_values_is_left_alone() -> None:
    payload = msgspec.json.encode({**HEAD, "user_id": None})
    cut = cut_out(payload)
    assert (cut.public, cut.pieces) == (payload, [])


@pytest.mark.parametrize(("partition", "offset", "key"), [(2, 7, KEY), (1, 8, KEY), (1, 7, AESGCM(bytes(32)))])
def test_a_sealed_part_opens_for_its_own_record_and_key_alone(partition: int, offset: int, key: AESGCM) -> None:
    cut = cut_out(msgspec.json.encode({**HEAD, "user_id": "u"}))
    sealed = seal(cut.pieces, KEY, 1, 7)
    with pytest.raises(UnsealError):
        unseal(cut.public, sealed, key, partition, offset)


@pytest.mark.parametrize("at", [0, 12, 20, -1])
def test_an_altered_sealed_part_does_not_open(at: int) -> None:
    cut = cut_out(msgspec.json.encode({**HEAD, "user_id": "u"}))
    sealed = bytearray(seal(cut.pieces, KEY, 1, 7))
    sealed[at] ^= 1
    with pytest.raises(UnsealError):
        unseal(cut.public, bytes(sealed), KEY, 1, 7)


def test_the_same_event_is_never_sealed_into_the_same_bytes_twice() -> None:
    pieces = [(3, b'"u"')]
    assert seal(pieces, KEY, 1, 7) != seal(pieces, KEY, 1, 7)


@pytest.mark.parametrize(
    ("named", "subject"),
    [
        ({"user_id": "u", "session_id": "s", "ip_address": "i"}, "user:u"),
        ({"session_id": "s", "ip_address": "i"}, "session:s"),
        ({"user_id": "", "ip_address": "i"}, "ip:i"),
        ({}, ""),
    ],
)
def test_an_event_is_its_users_then_its_sessions_then_its_addresss(named: dict[str, str], subject: str) -> None:
    for kind in (CallCompleted, CallStarted):
        tag = {"type": "llm.call.started"} if kind is CallStarted else {}
        event = decode_event(msgspec.json.encode({**HEAD, **tag, **named}))
        assert type(event) is kind
        assert subject_of(event) == subject


def test_a_record_that_is_no_call_is_nobodys() -> None:
    watermark = {"type": "llm.watermark", "schema_version": "1.0", "watermark": "2026-11-21T12:00:00Z"}
    assert subject_of(decode_event(msgspec.json.encode(watermark))) == ""
    assert subject_of(decode_event(b"{")) == ""


def test_a_name_that_only_ends_like_a_personal_one_is_none() -> None:
    payload = json.dumps({**HEAD, '"user_id': "", "user_id": MARK}).encode()
    public = json.loads(cut_out(payload).public)
    assert (public['"user_id'], public["user_id"]) == ("", None)
