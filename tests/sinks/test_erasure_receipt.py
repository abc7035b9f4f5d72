"""Receipts: what their signature holds for."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tokentrail.errors import ErasureError
from tokentrail.sinks.erasure.receipt import Cleaned, Receipt, SignedReceipt, is_signed_by, sign_receipt
from tokentrail.sinks.erasure.subject import read_subject
from tokentrail.sinks.integrity.signing_keys import make_signing_key

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECEIPT = Receipt(
    erasure_id="e", subject_hmac="aa", database="tokentrail", keys_destroyed=1, keys_destroyed_at=AT, hidden_at=AT,
    finished_at=AT, cleaned=[Cleaned("calls", 3, "emptied")], erased_rows_sha256="bb",
)  # fmt: skip


def test_a_signature_holds_for_the_receipt_as_it_is_and_for_one_key(tmp_path: Path) -> None:
    key, other = make_signing_key(tmp_path / "one.pem"), make_signing_key(tmp_path / "other.pem")
    signed = msgspec.json.decode(msgspec.json.encode(sign_receipt(RECEIPT, key)), type=SignedReceipt)
    assert is_signed_by(signed, key.public)
    assert not is_signed_by(signed, other.public)
    alterations: list[dict[str, Any]] = [
        {"keys_destroyed": 2},
        {"cleaned": []},
        {"subject_hmac": "ab"},
        {"not_reached": ()},
    ]
    for altered in alterations:
        changed = msgspec.structs.replace(signed.receipt, **altered)
        assert not is_signed_by(msgspec.structs.replace(signed, receipt=changed), key.public)


@pytest.mark.parametrize("signature", ["", "?", "AAAA"])
def test_what_is_no_signature_is_none(tmp_path: Path, signature: str) -> None:
    key = make_signing_key(tmp_path / "one.pem")
    assert not is_signed_by(SignedReceipt(RECEIPT, key.public.text, signature), key.public)


def test_without_a_key_a_receipt_is_not_signed() -> None:
    assert sign_receipt(RECEIPT, None) == SignedReceipt(RECEIPT, "", "")


@pytest.mark.parametrize("text", ["", "user", "user:", "team:blue", ":x"])
def test_what_names_no_subject_is_refused(text: str) -> None:
    with pytest.raises(ErasureError, match="user:ID, session:ID or ip:ADDRESS"):
        read_subject(text)


def test_a_subject_may_have_a_colon_in_its_name() -> None:
    assert read_subject("ip:::1").value == "::1"
