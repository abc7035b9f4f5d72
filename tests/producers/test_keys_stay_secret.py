"""No raw key in any event; the same fingerprint for the same key under the same pepper."""

import hashlib
import hmac
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tokentrail.producers import fingerprints
from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.capture import Capture
from tokentrail.producers.content import NO_CONTENT
from tokentrail.producers.describing import CaptureOptions, Describer
from tokentrail.producers.fingerprints import Fingerprints, key_hint
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.scribe import Scribe
from tokentrail.producers.scrubbing import scrub_part, scrub_text

alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
keys = st.builds(
    lambda prefix, rest: prefix + rest,
    st.sampled_from(["sk-", "sk-proj-", "sk-ant-api03-", "xai-", "gsk_", "", "AIza"]),
    st.text(alphabet, min_size=16, max_size=60),
)


@given(keys, st.sampled_from(["authorization", "api-key", "x-api-key"]), st.text(max_size=20))
def test_a_key_is_in_no_event_however_it_is_echoed(key: str, header: str, noise: str) -> None:
    assume(len(set(key)) > 5)  # 0000… is in every first event's prev_hash
    records: list[Any] = []
    recorder, scribe = Recorder(records.append), Scribe()
    scribe.close()  # from now on it works in the thread of whoever puts something
    options = CaptureOptions(labels={"feature": f"{noise}{key}"})
    describer = Describer(options, Fingerprints(b"pepper"), NO_CONTENT)
    capture = Capture(lambda: recorder, lambda: describer, lambda: scribe)
    value = f"Bearer {key}" if header == "authorization" else key
    body = b'{"model": "%s", "user": "%s"}' % (key.encode(), key.encode())
    headers = [(header.encode(), value.encode()), (b"User-Agent", key.encode()), (b"x-request-id", key.encode())]
    target = b"/v1/" + key.encode() + b"?key=" + key.encode()
    exchange = capture.begin("POST", "h.example", None, target, headers, body)
    exchange.answered(401, {"content-type": "application/json", "x-request-id": key}, decoded=True)
    exchange.chunk(b'{"error": {"message": "bad %s", "code": "%s"}, "model": "%s"}' % ((key.encode(),) * 3))
    exchange.end()

    assert len(records) == 2
    for record in records:
        assert key.encode() not in record.value
        assert all(key.encode() not in value for _, value in record.headers)


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-abcdEFGH1234567890",
        "sk-abcd****************7890 is wrong",
        "https://user:hunter22secret@host/path",
        "GET https://h/p?api_key=hunter22secret&x=1",
        "Authorization: Bearer hunter22secret",
        "xai-hunter22secret",
    ],
)
def test_what_looks_like_a_secret_is_removed_from_error_texts(text: str) -> None:
    scrubbed = scrub_text(text, ())
    assert "[key removed]" in scrubbed
    assert not re.search("hunter22secret|EFGH|7890", scrubbed)


def test_ordinary_words_stay() -> None:
    text = "co-ordination task-force risk-management-committee disk-full at 10:30, see https://help.example/errors"
    assert scrub_text(text, ("EMPTY", "none")) == text
    call = Call(feature="none of it is EMPTY")
    scrub_part(call, ("EMPTY", "none"))
    assert call.feature == "none of it is EMPTY"


def test_secrets_are_found_in_nested_fields() -> None:
    outcome = Outcome(status="SUCCESS", attributes={"a": "my-secret-key"}, finish_reasons=["my-secret-key"])
    scrub_part(outcome, ("my-secret-key",))
    assert "my-secret-key" not in repr(outcome)


def test_key_id_is_an_hmac_under_the_pepper() -> None:
    mine = Fingerprints(b"pepper")
    digest = hmac.new(b"pepper", b"apikey:v1:sk-1", hashlib.sha256).hexdigest()
    assert mine.key_id("sk-1").endswith(":" + digest)
    assert mine.key_id("sk-1") == Fingerprints(b"pepper").key_id("sk-1") != mine.key_id("sk-2")
    assert mine.key_id("sk-1") != Fingerprints(b"other").key_id("sk-1")
    assert mine.key_id("sk-1").startswith("hmac1:")


def test_hint_shows_prefix_and_last_four_of_long_keys_only() -> None:
    assert key_hint("sk-proj-aaaaaaaaaaaaaaaaaaaa1234") == "sk-proj-…1234"
    assert key_hint("sk-short") == "sk-…"
    assert key_hint("nothing-known-0123456789") == "…6789"


def test_a_pepper_of_ones_own_is_kept_private_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "config" / "pepper"
    first = fingerprints._kept_pepper(path)

    assert fingerprints._kept_pepper(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["pepper"]


def test_without_a_place_to_keep_it_the_pepper_serves_this_process(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")

    assert len(fingerprints._kept_pepper(blocked / "pepper")) >= 32
