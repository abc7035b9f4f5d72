"""Fingerprints are HMAC-SHA256 of what they say they are."""

import hmac
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.fingerprints import Fingerprints


@given(st.binary(max_size=200), st.binary(max_size=40), st.lists(st.binary(max_size=300), max_size=4))
def test_requests_and_answers_have_the_hmac_of_their_bytes(pepper: bytes, path: bytes, pieces: list[bytes]) -> None:
    fingerprints, body = Fingerprints(pepper), b"".join(pieces)
    answer = fingerprints.response_hash()
    for piece in pieces:
        answer.update(piece)

    asked = hmac.new(pepper, b"request:v1:" + path + b"\0" + body, sha256).hexdigest()[:32]
    answered = hmac.new(pepper, b"response:v1:" + body, sha256).hexdigest()[:32]
    assert fingerprints.request_hash(path, body).rpartition(":")[2] == asked
    assert answer.value().rpartition(":")[2] == answered
    assert fingerprints.key_id("sk-1").rpartition(":")[2] == hmac.new(pepper, b"apikey:v1:sk-1", sha256).hexdigest()


def test_two_answers_do_not_run_into_each_other() -> None:
    fingerprints = Fingerprints(b"pepper")
    one, other = fingerprints.response_hash(), fingerprints.response_hash()

    one.update(b"said")

    assert other.value() == fingerprints.response_hash().value() != one.value()
