"""Which emptied rows a receipt covers: those that it was signed for, by a key that is trusted, in this database."""

from datetime import UTC, datetime

import msgspec
import pytest
from memory_ledger import KEY, OTHER_KEY, make_ledger, verify_memory

from tokentrail.sinks.erasure.receipt import Receipt, erased_rows_sha256, sign_receipt
from tokentrail.sinks.integrity.covered_rows import ErasedRow, cover_rows
from tokentrail.sinks.integrity.signing_keys import SigningKey

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOTHING, HERE, THERE = bytes(32), b"h" * 32, b"t" * 32
ROWS = [
    ErasedRow("first", "llm.calls", 0, 5, HERE),
    ErasedRow("second", "llm.calls", 0, 5, NOTHING),
    ErasedRow("second", "llm.calls", 1, 5, THERE),
    ErasedRow("second", "llm.alerts", 0, 6, NOTHING),
]


def receipt_for(rows: list[ErasedRow], key: SigningKey) -> str:
    places = ((row.topic, row.partition, row.offset, row.stored_sha256) for row in rows)
    receipt = Receipt(
        erasure_id="second", subject_hmac="aa", database="tokentrail", keys_destroyed=0, keys_destroyed_at=AT,
        hidden_at=AT, finished_at=AT, cleaned=[], erased_rows_sha256=erased_rows_sha256(places),
    )  # fmt: skip
    return msgspec.json.encode(sign_receipt(receipt, key)).decode()


def test_a_receipt_covers_its_rows_and_those_of_erasures_that_it_finished() -> None:
    receipt = receipt_for(ROWS, KEY)
    covered = cover_rows(
        [("first", receipt), ("second", receipt)], reversed(ROWS), [OTHER_KEY.public, KEY.public], "tokentrail"
    )
    assert covered.by_partition == {0: {5: {HERE, NOTHING}}, 1: {5: {THERE}}}
    assert covered.found == []


def test_rows_that_were_put_in_later_are_not_covered() -> None:
    receipt = receipt_for(ROWS[1:], KEY)
    added = [*ROWS[1:], ErasedRow("second", "llm.calls", 0, 9, HERE)]
    covered = cover_rows([("second", receipt)], added, [KEY.public], "tokentrail")
    assert covered.by_partition == {}
    assert [one.where for one in covered.found] == ["erased_rows"]


@pytest.mark.parametrize(("key", "database"), [(OTHER_KEY, "tokentrail"), (KEY, "elsewhere")])
def test_a_receipt_of_another_key_or_database_covers_nothing(key: SigningKey, database: str) -> None:
    covered = cover_rows([("second", receipt_for(ROWS, key))], ROWS, [KEY.public], database)
    assert covered == ({}, [])


@pytest.mark.parametrize("receipt", ["", "{}", "no json"])
def test_what_is_no_receipt_covers_nothing(receipt: str) -> None:
    assert cover_rows([("second", receipt)], ROWS, [KEY.public], "tokentrail") == ({}, [])


def test_a_seal_that_claims_an_erasure_hides_no_edit() -> None:
    ledger = make_ledger(events=12, checkpoints=1)
    row = next(row for row in ledger.log if b"SUCCESS" in row["payload"])
    row["payload"] = row["payload"].replace(b"SUCCESS", b"TIMEOUT")
    row["seal"] = "cleaned"
    details = [one.detail for one in verify_memory(ledger).findings if one.where == "event_log"]
    assert details == ["seal says that it was erased; no signed receipt does"]
